"""Makes JSON of a result where its handler runs, so that iterators and awaitables in it have its timeout and errors."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from pydantic_core import PydanticSerializationError

from chalicelib.core import strictjson
from chalicelib.core.handler import Handler

_ENCODERS = (strictjson.__file__, json.encoder.__file__, json.__file__)


class BadResult(ValueError):
    """The handler's result is not JSON, or over the limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Serialized:
    """A handler's result as JSON."""

    text: str


def serializing(handler: Handler, *, limit: int) -> Handler:
    """The handler with `Serialized` results. If it returns an awaitable, it now returns a coroutine for one."""
    function = handler.function
    if handler.is_async:

        async def call(*arguments: Any) -> Any:
            return await _awaited(await function(*arguments), limit)

        return dataclasses.replace(handler, function=call)

    def run(*arguments: Any) -> Any:
        result = function(*arguments)
        if is_awaitable(result):
            return _awaited(result, limit)
        return serialize(result, limit)

    return dataclasses.replace(handler, function=run)


def is_awaitable(result: Any) -> bool:
    """Whether a result has to be awaited, or iterated asynchronously."""
    return isinstance(result, Awaitable) or inspect.isasyncgen(result)


async def _awaited(result: Any, limit: int) -> Serialized:
    while isinstance(result, Awaitable):
        result = await result
    if hasattr(result, "__aiter__"):
        items: list[Any] = []
        async for item in result:
            items.append(item)
            _check(len(items), limit)
        result = items
    return serialize(result, limit)


def serialize(result: Any, limit: int) -> Serialized:
    """Make JSON. Raises BadResult for what is not JSON, and errors of the handler's own code as they are."""

    def plain(value: Any) -> Any:
        return _plain(value, limit)

    try:
        return Serialized(strictjson.dumps(result, plain))
    except _HandlerRaised as raised:
        raise raised.error from raised.error.__cause__
    except BadResult:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        if _raised_by_handler(error):
            raise
        raise BadResult(f"the handler's result is not JSON: {error}") from None


def _plain(value: Any, limit: int) -> Any:
    """Convert a value that JSON does not have. An iterator is read only as far as the limit of a result allows."""
    try:
        if isinstance(value, Iterator) and not hasattr(value, "fileno"):
            items: list[Any] = []
            for item in value:
                items.append(item)
                _check(len(items), limit)
            return items
        if isinstance(value, Mapping):
            return dict(value.items())
    except BadResult:
        raise
    except Exception as error:
        raise _HandlerRaised(error) from None
    try:
        return strictjson.jsonable(value)
    except PydanticSerializationError as error:
        if error.__cause__ is not None:  # raised by a serializer of the handler's model
            raise _HandlerRaised(error.__cause__) from None
        raise TypeError(f"a value of type {type(value).__name__} is not JSON") from None
    except Exception as error:
        raise _HandlerRaised(error) from None


def _check(items: int, limit: int) -> None:
    if 2 * items > limit + 1:  # each item takes at least a character and a comma
        raise BadResult(f"the handler's result has no end within {limit:,} bytes (MAX_RESULT_BYTES): yield fewer items")


def _raised_by_handler(error: BaseException) -> bool:
    """Whether code outside the encoders raised it: for example a mapping of the handler's own."""
    trace, name = error.__traceback__, __file__
    while trace is not None:
        name, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return name not in (__file__, *_ENCODERS)


class _HandlerRaised(Exception):
    """The handler's code raised `error` while its result was read. It must not be reported as invalid JSON."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
