"""Handlers whose runs have something to show: they fail a few times or for good, or wait for a signal."""

from __future__ import annotations

import time
from pathlib import Path

from chalicelib.handlers import Config, Context, DoNotRetry, handler


class Work(Config):
    seconds: float = 0
    fails: int = 0
    result: object = None


class Refusal(Config):
    message: str


class Gate(Config):
    path: str


@handler("work")
def work(config: Work, context: Context) -> object:
    """Take `seconds`, and fail up to the attempt `fails`."""
    time.sleep(config.seconds)
    if context.attempt <= config.fails:
        raise RuntimeError(f"not yet: attempt {context.attempt}")
    return config.result


@handler("refuse")
def refuse(config: Refusal) -> None:
    """Fail for good."""
    raise DoNotRetry(config.message)


@handler("gate")
def gate(config: Gate, context: Context) -> str:
    """Run until there is a file at `path`, or the instance is cancelled."""
    while not Path(config.path).exists() and not context.cancelled:
        time.sleep(0.02)
    return "open"
