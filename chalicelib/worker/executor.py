"""Runs one handler call within its time, whatever kind of function it is."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import ctypes
import functools
import inspect
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pydantic import BaseModel

from chalicelib.core.handler import Handler
from chalicelib.handlers.api import Context


class Executor(Protocol):
    """Runs `handler`; raises what it raises, or TimeoutError after `timeout` seconds."""

    def run(self, handler: Handler, config: BaseModel, context: Context, timeout: float) -> Any: ...


class ThreadExecutor:
    """Instant handlers in place, ordinary ones in threads that can be abandoned, async ones in one event loop."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Hand] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def run(self, handler: Handler, config: BaseModel, context: Context, timeout: float) -> Any:
        arguments = (config, context) if handler.wants_context else (config,)
        if handler.is_async:
            return self._run_async(handler.function(*arguments), timeout)
        if handler.instant:
            begun, result = 0.0, handler.function(*arguments)
        else:
            begun = time.monotonic()
            result = self._run_thread(lambda: handler.function(*arguments), timeout)
        if inspect.iscoroutine(result):  # an ordinary function may well call an async one, and return what that gave
            left = timeout - (time.monotonic() - begun if begun else 0)
            return self._run_async(result, max(0.0, left), timeout)
        return result

    def _run_thread(self, call: Callable[[], Any], timeout: float) -> Any:
        try:
            hand = self._idle.get_nowait()
        except queue.Empty:
            hand = _Hand()
        future = hand.start(functools.partial(contextvars.copy_context().run, call))
        try:
            result = future.result(timeout)
        except TimeoutError:
            if future.done():  # the handler's own TimeoutError
                self._idle.put(hand)
                raise
            hand.abandon()
            raise TimeoutError(_too_long(timeout)) from None
        except BaseException:
            self._idle.put(hand)
            raise
        self._idle.put(hand)
        return result

    def _run_async(self, coroutine: Coroutine[Any, Any, Any], left: float, timeout: float | None = None) -> Any:
        """Within what is left of the timeout (all of it, where there is no other word)."""
        timeout = left if timeout is None else timeout
        future = asyncio.run_coroutine_threadsafe(_within(coroutine, left, timeout), self._event_loop())
        try:
            # A second more: a handler that ignores its cancellation, or blocks the loop, must not hold the worker.
            return future.result(left + 1)
        except TimeoutError:
            if future.done():
                raise
            with self._lock:
                self._loop = None
            raise TimeoutError(f"{_too_long(timeout)}, and blocked its event loop") from None
        except concurrent.futures.CancelledError:
            coroutine.close()  # the task may have been cancelled before its first step
            raise Cancelled(_CANCELLED) from None

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = _Loop()
                threading.Thread(target=_serve, args=(loop,), name="handlers-async", daemon=True).start()
                self._loop = loop
            return self._loop


class _Loop(asyncio.SelectorEventLoop):
    """The event loop of all async handlers of the process: none of them may end it, or what the others use of it."""

    def stop(self) -> None:
        raise RuntimeError(_NOT_YOURS)

    async def shutdown_asyncgens(self) -> None:
        raise RuntimeError(_NOT_YOURS)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        raise RuntimeError(_NOT_YOURS)


_NOT_YOURS = "other handlers run in this event loop, too: it goes on. Return, or raise an error, to end the handler"


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Runs the loop on when SystemExit or KeyboardInterrupt of one task ended it: that task has failed by then."""
    while not loop.is_closed():
        with contextlib.suppress(BaseException):
            loop.run_forever()


async def _within(coroutine: Coroutine[Any, Any, Any], left: float, timeout: float) -> Any:
    if task := asyncio.current_task():
        # A handler that cancels asyncio.all_tasks() must not find those of its neighbours there.
        asyncio._unregister_task(task)
    try:
        async with asyncio.timeout(left) as limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(_too_long(timeout)) from None
        raise  # the handler's own
    except asyncio.CancelledError as error:  # by a handler, this one or a neighbour: the executor cancels nothing
        own = str(error)
        raise Cancelled(f"{own}: {_CANCELLED}" if own else _CANCELLED) from None


_CANCELLED = (
    "the handler, or another one of this worker, cancelled a task that it waited for: "
    "asyncio.all_tasks() has those of all async handlers"
)


def _too_long(timeout: float) -> str:
    return f"the handler ran longer than its {timeout:g} s"


class Cancelled(Exception):
    """Somebody cancelled the task of an async handler. It is retried by its policy."""


class _Hand:
    """A daemon thread that runs one call at a time. It can be given up: Python cannot stop a thread that waits in C."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], concurrent.futures.Future[Any]] | None]
        self._calls = queue.SimpleQueue()
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="handler", daemon=True)
        self._thread.start()

    def start(self, call: Callable[[], Any]) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._calls.put((call, future))
        return future

    def abandon(self) -> None:
        """Ask the call to stop at its next bytecode; whatever it still answers is ignored."""
        self._abandoned = True
        self._calls.put(None)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(_Abandoned)
        )

    def _work(self) -> None:
        try:
            while (item := self._calls.get()) is not None:
                call, future = item
                try:
                    result = call()
                except BaseException as error:  # SystemExit of a handler must not end the thread unseen
                    future.set_exception(error)
                else:
                    future.set_result(result)
                del item, call, future
        except _Abandoned:
            return


class _Abandoned(BaseException):
    """Raised in the thread of a handler whose time is over."""
