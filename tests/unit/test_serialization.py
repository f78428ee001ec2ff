"""Lazy parts of a result are read where its handler runs, within its time, and their errors are the handler's."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import ChainMap, UserDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_serializer

from chalicelib.errors import DoNotRetry
from chalicelib.handlers import Config, handler
from chalicelib.worker import attempt, serialization
from chalicelib.worker.executor import ThreadExecutor
from chalicelib.worker.serialization import BadResult, Serialized
from tests.unit.test_executor import CONTEXT

Make = Callable[[], Any]


def call(make: Make, *, timeout: float = 30, limit: int = 10_000) -> Any:
    """Return the value of a handler's result as JSON."""

    @handler("lazy")
    def lazy(config: Config) -> Any:
        return make()

    serialized = ThreadExecutor().run(serialization.serializing(lazy, limit=limit), Config(), CONTEXT, timeout)
    assert isinstance(serialized, Serialized)
    return json.loads(attempt.encode(serialized, limit=limit))


def one_and(error: BaseException | None = None, seconds: float = 0) -> Iterator[int]:
    yield 1
    time.sleep(seconds)
    if error is not None:
        raise error


async def later(error: BaseException | None = None) -> Any:
    return one_and(error)


async def one_by_one(error: BaseException | None = None) -> AsyncIterator[int]:
    yield 1
    if error is not None:
        raise error


class Row(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    values: Any


class Computes(BaseModel):
    kind: type[Exception] = Field(exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def value(self) -> int:
        raise self.kind("mine")


class Serializes(BaseModel):
    kind: type[Exception]

    @field_serializer("kind")
    def told(self, value: Any) -> str:
        raise value("mine")


class Lazy(dict[str, Any]):
    """A mapping that reads its values when they are needed."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(a=1)
        self.error = error

    def items(self) -> Any:
        raise self.error


class LazyMapping(UserDict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise self.data[key]


class Wrapped:
    """An awaitable that is not a coroutine."""

    def __await__(self) -> Any:
        return later().__await__()


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (one_and, [1]),
        (lambda: {"a": [one_and()]}, {"a": [[1]]}),
        (lambda: map(int, ["1"]), [1]),
        (lambda: filter(None, [0, 1]), [1]),
        (lambda: zip([1], [2], strict=True), [[1, 2]]),
        (lambda: itertools.chain([1], one_and()), [1, 1]),
        (lambda: MappingProxyType({"a": one_and()}), {"a": [1]}),
        (lambda: ChainMap({"a": 1}), {"a": 1}),
        (lambda: Row(values=one_and()), {"values": [1]}),
        (lambda: Row(values=map(int, ["1"])), {"values": [1]}),
        (later, [1]),
        (Wrapped, [1]),
        (one_by_one, [1]),
    ],
)
def test_what_is_lazy_is_read(make: Make, value: Any) -> None:
    assert call(make) == value


@pytest.mark.parametrize("kind", [DoNotRetry, ValueError, TypeError, TimeoutError])
@pytest.mark.parametrize(
    "make",
    [
        one_and,
        lambda error: [one_and(error)],
        lambda error: Row(values=one_and(error)),
        lambda error: Computes(kind=type(error)),
        lambda error: Serializes(kind=type(error)),
        Lazy,
        lambda error: LazyMapping(a=error),
        later,
        one_by_one,
    ],
)
def test_an_error_while_it_is_read_is_the_handlers_own(make: Callable[[Any], Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match="mine") as caught:
        call(lambda: make(kind("mine")))
    assert not isinstance(caught.value, BadResult)
    assert attempt.describe(caught.value).retry is (kind is not DoNotRetry)


def test_errors_that_c_raises_while_it_is_read_are_its_own_as_well() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        call(lambda: map(int, ["x"]))
    assert not isinstance(caught.value, BadResult)


def test_it_is_read_within_the_handlers_time() -> None:
    with pytest.raises(TimeoutError, match="longer than its"):
        call(lambda: one_and(seconds=1), timeout=0.1)


def test_it_is_read_in_the_handlers_thread() -> None:
    names: list[str] = []

    def notes() -> Iterator[int]:
        names.append(threading.current_thread().name)
        yield 1

    call(lambda: Row(values=notes()))
    assert names == ["handler"]


async def endless() -> AsyncIterator[int]:
    for number in itertools.count():
        yield number


@pytest.mark.parametrize("make", [itertools.count, lambda: {"a": itertools.repeat(1)}, endless])
def test_what_has_no_end_is_read_no_further_than_a_result_goes(make: Make) -> None:
    with pytest.raises(BadResult, match=r"MAX_RESULT_BYTES"):
        call(make)


def test_an_async_handlers_result_is_read_as_well() -> None:
    @handler("lazy_async")
    async def lazy_async(config: Config) -> Awaitable[Any]:
        return later()

    serialized = ThreadExecutor().run(serialization.serializing(lazy_async, limit=100), Config(), CONTEXT, 30)
    assert serialized == Serialized("[1]")


def test_a_list_as_long_as_a_result_may_be_fits() -> None:
    assert call(lambda: itertools.repeat(1, 4), limit=9) == [1, 1, 1, 1]


@pytest.mark.parametrize("bad", [object(), {"a": float("nan")}, "\udcff", {1, object()}, range(3)])
def test_what_is_no_json_is_still_a_bad_result(bad: Any) -> None:
    with pytest.raises(BadResult, match="not JSON"):
        call(lambda: bad)
