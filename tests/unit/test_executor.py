"""Handlers of every kind, within their time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from chalicelib.handlers import Config, Context, handler
from chalicelib.handlers.api import Handler
from chalicelib.worker.executor import ThreadExecutor

CONTEXT = Context(
    instance_id="i",
    execution_id="e",
    node_id="n",
    attempt=1,
    params={},
    results={},
    time_left=lambda: 1.0,
    logger=logging.getLogger(),
)
stopped = threading.Event()


@handler("sync")
def sync(config: Config) -> str:
    return threading.current_thread().name


@handler("with_context")
def with_context(config: Config, context: Context) -> str:
    return context.idempotency_key


@handler("coroutine")
async def coroutine(config: Config) -> str:
    await asyncio.sleep(0)
    return "async"


@handler("busy")
def busy(config: Config) -> None:
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            pass
    finally:
        stopped.set()


@handler("waits")
def waits(config: Config) -> None:
    time.sleep(0.5)


@handler("async_waits")
async def async_waits(config: Config) -> None:
    await asyncio.sleep(10)


@handler("async_blocks")
async def async_blocks(config: Config) -> None:
    time.sleep(2)


@handler("exits")
def exits(config: Config) -> None:
    raise SystemExit(3)


@handler("own_timeout")
def own_timeout(config: Config) -> None:
    raise TimeoutError("the handler's own")


@handler("async_own_timeout")
async def async_own_timeout(config: Config) -> None:
    raise TimeoutError("the handler's own")


@handler("instant", instant=True)
def instant(config: Config) -> str:
    return threading.current_thread().name


def run(executor: ThreadExecutor, which: Handler, timeout: float = 5) -> Any:
    return executor.run(which, Config(), CONTEXT, timeout)


def test_kinds() -> None:
    executor = ThreadExecutor()
    assert run(executor, sync) == "handler"
    assert run(executor, with_context) == "i/n"
    assert run(executor, coroutine) == "async"
    assert run(executor, instant) == threading.current_thread().name


def test_threads_are_used_again() -> None:
    executor = ThreadExecutor()
    before = threading.active_count()
    for _ in range(20):
        run(executor, sync)
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize("which", [busy, waits, async_waits])
def test_a_handler_that_is_too_long_is_given_up(which: Handler) -> None:
    executor = ThreadExecutor()
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"longer than its 0\.1 s"):
        run(executor, which, 0.1)
    assert time.monotonic() - started < 0.45
    assert run(executor, sync) == "handler"
    assert run(executor, coroutine) == "async"


def test_a_busy_handler_is_stopped_not_only_given_up() -> None:
    stopped.clear()
    with pytest.raises(TimeoutError):
        run(ThreadExecutor(), busy, 0.05)
    assert stopped.wait(5)


def test_an_async_handler_that_blocks_its_loop_costs_only_itself() -> None:
    executor = ThreadExecutor()
    with pytest.raises(TimeoutError):
        run(executor, async_blocks, 0.1)
    assert run(executor, coroutine) == "async"


@pytest.mark.parametrize("which", [own_timeout, async_own_timeout])
def test_a_handlers_own_timeout_is_its_own(which: Handler) -> None:
    with pytest.raises(TimeoutError, match="own"):
        run(ThreadExecutor(), which)


def test_a_handler_that_exits_only_fails() -> None:
    executor = ThreadExecutor()
    with pytest.raises(SystemExit):
        run(executor, exits)
    assert run(executor, sync) == "handler"
