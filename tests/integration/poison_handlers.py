"""Handlers that do what no handler may do. The workers of tests/integration/test_poison.py load them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from chalicelib.handlers import Config, Context, handler


class Poison(Config):
    """`diary` is a file that gets a line with the node's id and attempt as soon as its handler runs."""

    diary: str = ""
    seconds: float = 0.0
    mates: int = 0


def note(config: Poison, context: Context) -> Path:
    diary = Path(config.diary)
    with diary.open("a") as lines:
        lines.write(f"{context.node_id} {context.attempt} {os.getpid()}\n")
    return diary


@handler("kills")
def kills(config: Poison, context: Context) -> None:
    """Kill the process once `mates` other nodes run in it, or after a few seconds."""
    _kill(config, context)


def _kill(config: Poison, context: Context) -> None:
    diary = note(config, context)
    mine, end = f" {os.getpid()}", time.monotonic() + 4
    while diary.read_text().count(mine) <= config.mates and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


@handler("takes")
def takes(config: Poison, context: Context) -> str:
    """Take a while."""
    note(config, context)
    time.sleep(config.seconds)
    return context.node_id


@handler("waits_first", waits=True)
def waits_first(config: Poison, context: Context) -> str:
    """Wait at the first attempt."""
    note(config, context)
    if context.attempt == 1:
        time.sleep(config.seconds)
    return context.node_id


@handler("kills_many", waits=True)
def kills_many(config: Poison, context: Context) -> None:
    """Kill the process once `mates` other nodes wait in it, or after a few seconds."""
    _kill(config, context)


@handler("flunks")
def flunks(config: Poison, context: Context) -> str:
    """Fail at the first attempt."""
    note(config, context)
    if context.attempt == 1:
        raise RuntimeError("the first time")
    return context.node_id


class Yields(Config):
    what: str


@handler("yields")
def yields(config: Yields) -> Any:
    """Return what no result may be."""
    return {"large": "x" * 20_000, "object": object(), "nan": float("nan")}[config.what]
