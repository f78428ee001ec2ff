"""Handlers of every kind run within their time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from chalicelib.core.handler import Handler
from chalicelib.handlers import Config, Context, handler
from chalicelib.worker.attempt import describe
from chalicelib.worker.executor import Cancelled, ThreadExecutor

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
# The thread of the busy handler that ran last.
busy_in: list[threading.Thread] = []


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
    busy_in[:] = [threading.current_thread()]
    try:
        # CPython 3.13 leaves a jump back after a condition out of the block around it (gh-130279): there is none here.
        for _ in range(1_000_000_000):
            time.monotonic()
    finally:
        stopped.set()


@handler("busy_with_nothing")
def busy_with_nothing(config: Config) -> None:
    busy_in[:] = [threading.current_thread()]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


@handler("waits")
def waits(config: Config) -> None:
    time.sleep(0.5)


@handler("async_waits")
async def async_waits(config: Config) -> None:
    await asyncio.sleep(10)


@handler("async_short")
async def async_short(config: Config) -> str:
    await asyncio.sleep(0.05)
    return "async"


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
    assert run(executor, coroutine) == run(executor, async_short, 0.5) == "async"
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
    with pytest.raises(TimeoutError, match=r"longer than its 0\.1 s$"):
        run(executor, which, 0.1)
    assert time.monotonic() - started < 0.45
    assert run(executor, sync) == "handler"
    assert run(executor, coroutine) == "async"


@pytest.mark.parametrize("which", [busy, busy_with_nothing])
def test_a_busy_handler_is_stopped_not_only_given_up(which: Handler) -> None:
    stopped.clear()
    with pytest.raises(TimeoutError):
        run(ThreadExecutor(), which, 0.05)
    busy_in[0].join(30)
    assert not busy_in[0].is_alive()
    assert stopped.is_set() or which is not busy


def test_an_async_handler_that_blocks_its_loop_costs_only_itself() -> None:
    executor = ThreadExecutor()
    with pytest.raises(TimeoutError, match="blocked its event loop"):
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


async def a_task_that_exits() -> None:
    raise SystemExit(3)


def raise_it(error: BaseException) -> None:
    raise error


class Way(Config):
    way: str


@handler("leaves")
async def leaves(config: Way) -> str:
    """Try every way in which a handler could end an event loop."""
    loop = asyncio.get_running_loop()
    match config.way:
        case "exit":
            raise SystemExit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "base":
            raise BaseException("of its own")
        case "generator":
            raise GeneratorExit
        case "cancel":
            raise asyncio.CancelledError("of its own")
        case "cancel itself":
            own = asyncio.current_task()
            assert own is not None
            own.cancel()  # and no await follows, at which the cancellation would be raised
        case "cancel all":
            for task in asyncio.all_tasks():
                task.cancel("all of them")
        case "stop":
            loop.stop()
        case "close":
            loop.close()
        case "asyncgens":
            await loop.shutdown_asyncgens()
        case "threads":
            await loop.shutdown_default_executor()
        case "task":
            await asyncio.create_task(a_task_that_exits())
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(a_task_that_exits())
        case "callback":
            loop.call_soon(raise_it, SystemExit(3))
            await asyncio.sleep(0.01)
            raise RuntimeError("after its callback")
    return "stays"


# The error with which the node fails, or None, by what the handler does.
WAYS = {
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "base": BaseException,
    "generator": GeneratorExit,
    "cancel": Cancelled,
    "cancel itself": Cancelled,
    "cancel all": None,
    "stop": RuntimeError,
    "close": RuntimeError,
    "asyncgens": RuntimeError,
    "threads": RuntimeError,
    "task": SystemExit,
    "group": BaseException,
    "callback": RuntimeError,
}


@pytest.mark.parametrize("way", WAYS)
def test_an_async_handler_that_exits_fails_itself_at_once_and_no_neighbour(way: str) -> None:
    executor, opened, begun = ThreadExecutor(), threading.Event(), threading.Event()

    @handler("neighbour")
    async def neighbour(config: Config) -> str:
        begun.set()
        while not opened.is_set():
            await asyncio.sleep(0.001)
        return await asyncio.to_thread(lambda: "well")

    answers: list[Any] = []
    beside = threading.Thread(target=lambda: answers.append(run(executor, neighbour, 60)))
    beside.start()
    assert begun.wait(30)
    loop = executor._loop
    error = WAYS[way]
    if error is None:
        assert executor.run(leaves, Way(way=way), CONTEXT, 60) == "stays"
    else:
        with pytest.raises(error) as caught:
            executor.run(leaves, Way(way=way), CONTEXT, 60)
        assert "blocked" not in str(caught.value)
    opened.set()
    beside.join(60)
    assert answers == ["well"] and executor._loop is loop
    assert run(executor, coroutine) == "async"


@pytest.mark.parametrize("started", [True, False], ids=["its tasks", "before it starts"])
def test_a_neighbour_that_is_cancelled_all_the_same_fails_with_the_cause_and_is_retried(started: bool) -> None:
    executor, begun, submitted = ThreadExecutor(), threading.Event(), threading.Event()

    @handler("neighbour")
    async def neighbour(config: Config) -> None:
        waiting = asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))
        begun.set()
        await waiting

    @handler("cancels_all")
    async def cancels_all(config: Config) -> None:
        if not started:
            submitted.set()
            while not asyncio.get_running_loop()._ready:  # type: ignore[attr-defined]
                time.sleep(0)  # the neighbour's task is created next, and its first step runs after this handler
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    failures: list[BaseException] = []

    def fail() -> None:
        with pytest.raises(Cancelled, match=r"asyncio\.all_tasks\(\)") as caught:
            run(executor, neighbour, 60)
        failures.append(caught.value)

    beside = threading.Thread(target=fail)
    culprit = threading.Thread(target=lambda: run(executor, cancels_all, 60))
    first, then, ready = (beside, culprit, begun) if started else (culprit, beside, submitted)
    first.start()
    assert ready.wait(30)
    then.start()
    for thread in (beside, culprit):
        thread.join(60)
    assert describe(failures[0]).retry


@handler("returns_an_awaitable")
def returns_an_awaitable(config: Config) -> Any:
    return coroutine.function(config)


@handler("returns_one_at_once", instant=True)
def returns_one_at_once(config: Config) -> Any:
    return async_short.function(config)


@handler("returns_one_that_is_too_long")
def returns_one_that_is_too_long(config: Config) -> Any:
    return async_waits.function(config)


def test_what_a_handler_leaves_to_be_awaited_is_awaited_within_its_time() -> None:
    assert run(ThreadExecutor(), returns_an_awaitable) == run(ThreadExecutor(), returns_one_at_once) == "async"
    with pytest.raises(TimeoutError, match=r"longer than its 0\.1 s"):
        run(ThreadExecutor(), returns_one_that_is_too_long, 0.1)


def test_what_is_awaited_has_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    executor, times = ThreadExecutor(), []

    def run_async(coroutine: Any, left: float, timeout: float) -> None:
        coroutine.close()
        times.append((round(left, 1), timeout))

    monkeypatch.setattr(executor, "_run_async", run_async)
    clock = iter([100.0, 103.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, 103.0))
    for timeout in (5, 2):
        run(executor, returns_an_awaitable, timeout)
        clock = iter([100.0, 103.0])
    run(executor, returns_one_at_once, 5)
    assert times == [(2.0, 5), (0.0, 2), (5.0, 5)]
