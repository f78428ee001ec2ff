"""The format of logs: one event a line, as JSON on AWS and as text locally. docs/events.md lists every event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from chalicelib.invocation import Invocation

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Bound fields, linked to those of the outer block. They are merged only when a line is written: every node binds some.
_Chain = tuple[Mapping[str, Any], "_Chain"] | None
_fields: ContextVar[_Chain] = ContextVar("log fields", default=None)


class bound:  # lower-case, as in contextlib. A @contextmanager would take three times as long, for every node
    """A context manager: every line that is logged in its block carries `fields`, also in threads with its context."""

    __slots__ = ("_own", "_token")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._own = fields

    def __enter__(self) -> None:
        self._token = _fields.set((self._own, _fields.get()))

    def __exit__(self, *_: object) -> None:
        _fields.reset(self._token)


def invocation(current: Invocation) -> bound:
    """A part of the middleware (invocation.Part): the lines of an invocation carry its request id."""
    return bound({"request_id": current.request_id})


class Bound(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines carry its `extra` in every thread, in addition to the `extra` of each call."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}


class _Bind(logging.Filter):
    """Adds the bound fields to the record of a line. Fields of the call itself win."""

    def filter(self, record: logging.LogRecord) -> bool:
        chain = _fields.get()
        while chain:
            fields, chain = chain
            for name, value in fields.items():
                vars(record).setdefault(name, value)
        return True


class _Text(logging.Formatter):
    """time level event key=value ..."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in _STANDARD)
        head, newline, tail = line.partition("\n")
        return f"{head} {extra}{newline}{tail}" if extra else line


class _Redacted(logging.Formatter):
    """Formats a record by `inner`, and takes secrets out of the whole text, tracebacks and extra fields included."""

    def __init__(self, inner: logging.Formatter, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._inner = inner
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._inner.format(record))


def configure(level: str, style: Literal["json", "text"], redact: Callable[[str], str] = str) -> None:
    """Give the root logger its one handler, in place of the one that Lambda has put there.

    `redact` is called with each finished line, so it sees every argument and field, from any thread.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_Bind())
    formatter = _json() if style == "json" else _Text("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    handler.setFormatter(_Redacted(formatter, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At DEBUG botocore logs the answers that contain the secrets, before these are known to `redact`.
    for chatty in ("botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    class Json(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
            """RFC 3339 in UTC, so that lines of all processes sort by it as text."""
            return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return Json(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
    )
