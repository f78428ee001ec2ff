"""What a handler yields becomes JSON where the handler runs: what is lazy in it has the handler's time and errors."""

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
class Finished:
    """The result of a call as JSON."""

    text: str


def finishing(handler: Handler, *, limit: int) -> Handler:
    """The handler, with results that are `Finished`. What it leaves to be awaited is a coroutine that ends in one."""
    function = handler.function
    if handler.is_async:

        async def call(*arguments: Any) -> Any:
            return await _awaited(await function(*arguments), limit)

        return dataclasses.replace(handler, function=call)

    def run(*arguments: Any) -> Any:
        result = function(*arguments)
        if later(result):
            return _awaited(result, limit)
        return finish(result, limit)

    return dataclasses.replace(handler, function=run)


def later(result: Any) -> bool:
    """Whether a result is still to be awaited."""
    return isinstance(result, Awaitable) or inspect.isasyncgen(result)


async def _awaited(result: Any, limit: int) -> Finished:
    while isinstance(result, Awaitable):
        result = await result
    if hasattr(result, "__aiter__"):
        items: list[Any] = []
        async for item in result:
            items.append(item)
            _check(len(items), limit)
        result = items
    return finish(result, limit)


def finish(result: Any, limit: int) -> Finished:
    """Raises BadResult for what is no JSON, and what the handler's own code raises meanwhile as it is."""

    def plain(value: Any) -> Any:
        return _plain(value, limit)

    try:
        return Finished(strictjson.dumps(result, plain))
    except _Own as own:
        raise own.error from own.error.__cause__
    except BadResult:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        if _of_the_handler(error):
            raise
        raise BadResult(f"the handler's result is not JSON: {error}") from None


def _plain(value: Any, limit: int) -> Any:
    """What JSON has no form for by itself. An iterator is read no further than a result can go."""
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
        raise _Own(error) from None
    try:
        return strictjson.jsonable(value)
    except PydanticSerializationError as error:
        if error.__cause__ is not None:  # a serializer of the handler's model
            raise _Own(error.__cause__) from None
        raise TypeError(f"a value of type {type(value).__name__} is not JSON") from None
    except Exception as error:
        raise _Own(error) from None


def _check(items: int, limit: int) -> None:
    if 2 * items > limit + 1:  # each takes a character and a comma
        raise BadResult(f"the handler's result has no end within {limit:,} bytes (MAX_RESULT_BYTES): yield fewer items")


def _of_the_handler(error: BaseException) -> bool:
    """Whether code that is none of the encoders' raised it: a mapping of the handler's own, say."""
    trace, name = error.__traceback__, __file__
    while trace is not None:
        name, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return name not in (__file__, *_ENCODERS)


class _Own(Exception):
    """The handler's code raised this while its result was read; it must not pass for a fault of the JSON."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
