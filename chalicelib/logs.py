"""How logs look: JSON, one event a line, on AWS; one readable line locally."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


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
    formatter: logging.Formatter
    if style == "json":
        from pythonjsonlogger.json import JsonFormatter

        formatter = JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
        )
    else:
        formatter = _Text("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    handler.setFormatter(_Redacted(formatter, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # botocore would log the very answers that bring the secrets, before anybody knows them.
    for chatty in ("botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
