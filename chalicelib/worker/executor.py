"""Runs one handler call within its timeout, for every kind of function."""

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
    """Runs a handler, and raises what that raises, or TimeoutError after `timeout` seconds."""

    def run(self, handler: Handler, config: BaseModel, context: Context, timeout: float) -> Any: ...


class ThreadExecutor:
    """Runs instant handlers in the calling thread, others in threads that can be abandoned, async ones in one loop."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_HandlerThread] = queue.SimpleQueue()
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
        if inspect.iscoroutine(result):  # a plain function may return the coroutine of an async one
            left = timeout - (time.monotonic() - begun if begun else 0)
            return self._run_async(result, max(0.0, left), timeout)
        return result

    def _run_thread(self, call: Callable[[], Any], timeout: float) -> Any:
        try:
            thread = self._idle.get_nowait()
        except queue.Empty:
            thread = _HandlerThread()
        future = thread.start(functools.partial(contextvars.copy_context().run, call))
        try:
            result = future.result(timeout)
        except TimeoutError:
            if future.done():  # the handler itself raised it
                self._idle.put(thread)
                raise
            thread.abandon()
            raise TimeoutError(_too_long(timeout)) from None
        except BaseException:
            self._idle.put(thread)
            raise
        self._idle.put(thread)
        return result

    def _run_async(self, coroutine: Coroutine[Any, Any, Any], left: float, timeout: float | None = None) -> Any:
        """Run a coroutine for at most `left` seconds. `timeout`, in messages, is longer if some of it has passed."""
        timeout = left if timeout is None else timeout
        future = asyncio.run_coroutine_threadsafe(_with_timeout(coroutine, left, timeout), self._event_loop())
        try:
            # One second more than the handler has: if it ignores its cancellation or blocks the loop, leave it behind.
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
                threading.Thread(target=_run_forever, args=(loop,), name="handlers-async", daemon=True).start()
                self._loop = loop
            return self._loop


class _Loop(asyncio.SelectorEventLoop):
    """The event loop of all async handlers of the process. No handler may stop it, or what others use of it."""

    def stop(self) -> None:
        raise RuntimeError(_SHARED_LOOP)

    async def shutdown_asyncgens(self) -> None:
        raise RuntimeError(_SHARED_LOOP)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        raise RuntimeError(_SHARED_LOOP)


_SHARED_LOOP = "other handlers run in this event loop, too: it goes on. Return, or raise an error, to end the handler"


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop, and go on when SystemExit or KeyboardInterrupt of a task stops it: that task has failed by then."""
    while not loop.is_closed():
        with contextlib.suppress(BaseException):
            loop.run_forever()


async def _with_timeout(coroutine: Coroutine[Any, Any, Any], left: float, timeout: float) -> Any:
    if task := asyncio.current_task():
        # A handler that cancels asyncio.all_tasks() must not find those of its neighbours there.
        asyncio._unregister_task(task)
    try:
        async with asyncio.timeout(left) as limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(_too_long(timeout)) from None
        raise  # the handler itself raised it
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
    """The task of an async handler was cancelled. The node is retried by its policy."""


class _HandlerThread:
    """A daemon thread that runs one call at a time. It can be abandoned: Python cannot stop a call that waits in C."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], concurrent.futures.Future[Any]] | None]
        self._calls = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="handler", daemon=True)
        self._thread.start()

    def start(self, call: Callable[[], Any]) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._calls.put((call, future))
        return future

    def abandon(self) -> None:
        """Raise an exception in the call at its next bytecode, and ignore its outcome."""
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
                except BaseException as error:  # SystemExit of a handler must not end the thread silently
                    future.set_exception(error)
                else:
                    future.set_result(result)
                del item, call, future
        except _Abandoned:
            return


class _Abandoned(BaseException):
    """Raised in the thread of a handler whose timeout is over."""
