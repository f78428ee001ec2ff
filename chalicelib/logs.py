"""How logs look: JSON, one event a line, on AWS; one readable line locally."""

from __future__ import annotations

import logging
from typing import Literal

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Text(logging.Formatter):
    """time level event key=value ..."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in _STANDARD)
        head, newline, tail = line.partition("\n")
        return f"{head} {extra}{newline}{tail}" if extra else line


def configure(level: str, style: Literal["json", "text"]) -> None:
    """Give the root logger its one handler. Lambda has put one there already: it is replaced."""
    handler = logging.StreamHandler()
    if style == "json":
        from pythonjsonlogger.json import JsonFormatter

        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
            )
        )
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
