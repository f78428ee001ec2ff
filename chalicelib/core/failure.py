"""The text of an error and its causes, as it is stored: valid Unicode, of limited length, and made without raising."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from types import TracebackType

from chalicelib.core.node_error import MAX_MESSAGE, MAX_TRACEBACK, MAX_TYPE

# At most this many causes are named; a group may hold thousands.
MAX_CAUSES = 10
# A text is cut to this length before secrets are masked in it, since it may have gigabytes. Enough is left after that.
_ROOM = 20_000

Redact = Callable[[str], str]


def type_of(error: BaseException, redact: Redact = str) -> str:
    """The name of the error's class, which may hold any characters."""
    return told(lambda: type(error).__name__, redact, MAX_TYPE) or "Exception"


def message_of(error: BaseException, redact: Redact = str) -> str:
    """The error's own text and notes, then those of the errors that it contains and that caused it."""
    own = _own(error)
    causes = [f"{relation} {type_of(cause)}: {_own(cause)[:MAX_MESSAGE]}" for relation, cause in causes_of(error)]
    return told(lambda: "; ".join([own, *causes]), redact, MAX_MESSAGE)


def traceback_of(error: BaseException, ours: tuple[str, ...] = (), redact: Redact = str) -> str:
    """The last frames of the error, without those of files whose path begins with one of `ours`; causes come first."""
    chain = [*reversed([cause for _, cause in causes_of(error)]), error]
    if len(chain) == 1:
        return told(lambda: _frames(error.__traceback__, ours), redact, MAX_TRACEBACK, end=True)
    share = MAX_TRACEBACK // len(chain)
    heads = [f"{type_of(one, redact)}:\n" for one in chain]
    parts = [
        head + told(lambda one=one: _frames(one.__traceback__, ours), redact, share - len(head), end=True)  # type: ignore[misc]
        for head, one in zip(heads, chain, strict=True)
    ]
    return "".join(parts)


def causes_of(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """The errors in a group, and the cause or context of an error; each once, the nearest first."""
    seen, waiting, found = {id(error)}, [error], 0
    while waiting and found < MAX_CAUSES:
        for relation, cause in _next(waiting.pop(0)):
            if id(cause) not in seen and found < MAX_CAUSES:
                seen.add(id(cause))
                waiting.append(cause)
                found += 1
                yield relation, cause


def holds(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether the error is of one of these kinds, or a group, however deep, that holds one."""
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, kinds):
            return True
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return False


def told(tell: Callable[[], str], redact: Redact = str, most: int = MAX_MESSAGE, *, end: bool = False) -> str:
    """The text that `tell` returns, as valid Unicode, and its first `most` characters only (with `end`, its last ones).

    An error that `tell` raises is named instead: it must not hide the one that was to be described.
    """
    try:
        text = tell()
        text = text[-_ROOM:] if end else text[:_ROOM]
        # Secrets are masked before the text is cut: half a secret would not be found.
        text = redact(str.encode(text, "utf-8", "backslashreplace").decode())
    except BaseException as error:  # a __str__ may even exit
        text = f"(this cannot be told: {_plain(error)})"
    return text[-most:] if end else text[:most]


def _plain(error: BaseException) -> str:
    try:
        return str.encode(type(error).__name__[:MAX_TYPE], "ascii", "backslashreplace").decode()
    except Exception:  # a metaclass may refuse to give the name
        return "an error"


def _own(error: BaseException) -> str:
    text = told(lambda: str(error), most=_ROOM) or type_of(error)
    return "\n".join([text, *_notes(error)])


def _notes(error: BaseException) -> list[str]:
    try:
        notes = list(getattr(error, "__notes__", ()))[:MAX_CAUSES]
    except Exception:
        return []
    return [told(lambda note=note: str(note)) for note in notes]  # type: ignore[misc]


def _next(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    if isinstance(error, BaseExceptionGroup):
        yield from (("in it", one) for one in error.exceptions[:MAX_CAUSES])
    if error.__cause__ is not None:
        yield "caused by", error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        yield "while handling", error.__context__


def _frames(trace: TracebackType | None, ours: tuple[str, ...]) -> str:
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(ours)]
    return "".join(traceback.format_list(frames))
