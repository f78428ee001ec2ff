"""How logs look: JSON, one event a line, on AWS; one readable line locally. Every event is in docs/events.md."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from chalicelib.invocation import Invocation

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Fields, and what was bound around them: put together only if a line is written, as every node binds some.
_Chain = tuple[Mapping[str, Any], "_Chain"] | None
_fields: ContextVar[_Chain] = ContextVar("log fields", default=None)


class bound:  # a block, as contextlib's are; a generator would take three times as long, for every node
    """What is logged in the block, by whomever, carries these fields as well; also in threads that copy the context."""

    __slots__ = ("_given", "_token")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._given = fields

    def __enter__(self) -> None:
        self._token = _fields.set((self._given, _fields.get()))

    def __exit__(self, *_: object) -> None:
        _fields.reset(self._token)


def invocation(current: Invocation) -> bound:
    """A part of every invocation: its lines carry its request id."""
    return bound({"request_id": current.request_id})


class Bound(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines carry its `extra` whichever thread they come from, beside what a call gives as `extra`."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}


class _Bind(logging.Filter):
    """Puts what is bound where a line is logged into its record; what the call itself gave stays."""

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
    """What `inner` makes of a record, tracebacks and extra fields included, without secrets."""

    def __init__(self, inner: logging.Formatter, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._inner = inner
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._inner.format(record))


def configure(level: str, style: Literal["json", "text"], redact: Callable[[str], str] = str) -> None:
    """Give the root logger its one handler. Lambda has put one there already: it is replaced.

    `redact` is called with each finished line. So nothing gets around it: no argument, no field, no thread.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_Bind())
    formatter = _json() if style == "json" else _Text("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    handler.setFormatter(_Redacted(formatter, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # botocore would log the very answers that bring the secrets, before anybody knows them.
    for chatty in ("botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    class Json(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
            """RFC 3339, UTC: what is sorted by it is in order, whichever process wrote it."""
            return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return Json(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
    )
