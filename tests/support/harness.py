"""An engine in one process for tests: real store, Lua, worker, scheduler and sweep, with a queue that misbehaves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from chalicelib.composition import Application
from chalicelib.core.handler import Handler
from chalicelib.models.views import ResultsView
from chalicelib.queues.memory import MemoryQueue
from chalicelib.settings import Settings
from chalicelib.worker.first_hop import NoFirstHop

T = TypeVar("T")


def some(value: T | None) -> T:
    """Return the value, which must not be None."""
    assert value is not None
    return value


def wait_until(condition: Callable[[], Any], *, seconds: float = 20, what: str = "the condition") -> Any:
    """Poll until `condition()` is true; fail with `what` otherwise. Returns its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"{what} did not hold within {seconds} s")


def sqs_event(bodies: Iterable[str]) -> dict[str, Any]:
    """Return the part of an SQS event that the worker reads."""
    return {"Records": [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}


A = TypeVar("A", bound=Application)


class QueuedApplication(Application):
    """An application whose queue is in memory."""

    queue: MemoryQueue


def application(
    redis_url: str, queue: MemoryQueue, handlers: Iterable[Handler] = (), **settings: Any
) -> QueuedApplication:
    """Return an application on this Redis and this queue, with these handlers besides the built-in ones."""
    app = QueuedApplication(Settings(redis_url=redis_url, **settings))
    app.queue = queue
    app.handlers = app.handlers | {handler.name: handler for handler in handlers}
    return app


def by_messages(app: A) -> A:
    """Every attempt comes by a message of its own, so that a test can act between one and the next."""
    app.first_hop = NoFirstHop()
    app.worker_limits = replace(app.worker_limits, short_wait=-1.0)
    return app


class Workers:
    """Workers in threads, and a sweep, until closed."""

    def __init__(self, app: Application, queue: MemoryQueue, *, workers: int, sweep_seconds: float = 0.05) -> None:
        self._app, self._queue = app, queue
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.errors: list[BaseException] = []
        worker = app.worker  # built once, before the threads start
        self._threads = [threading.Thread(target=self._work, args=(worker,)) for _ in range(workers)]
        self._threads.append(threading.Thread(target=self._sweep, args=(sweep_seconds,)))

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors

    def _work(self, worker: Any) -> None:
        while not self._stop.is_set():
            with self._lock:
                bodies = self._queue.take()
            if not bodies:
                time.sleep(0.001)
                continue
            try:
                answer = worker.handle(sqs_event(bodies))
                assert answer == {"batchItemFailures": []}
            except BaseException as error:
                self.errors.append(error)

    def _sweep(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                assert self._app.sweep.run().failed == 0
            except BaseException as error:
                self.errors.append(error)


def drain(app: Application, queue: MemoryQueue, *, rounds: int = 10_000) -> None:
    """Process the queue in this thread, in order, until it is empty."""
    for _ in range(rounds):
        bodies = queue.take()
        if not bodies:
            return
        assert app.worker.handle(sqs_event(bodies)) == {"batchItemFailures": []}
    raise AssertionError(f"the queue was not empty after {rounds} rounds")


def results_of(app: Application, id: str, epoch: int | None = None, *, mount: str = "") -> ResultsView:
    """Return the results of an instance, parsed from the JSON of the service's answer."""
    return ResultsView(**json.loads(app.results.of(id, epoch, mount=mount)))


def run(app: Application, workflow: dict[str, Any], params: dict[str, Any] | None = None) -> str:
    """Submit and trigger. Returns the instance_id."""
    submitted = app.submission.submit(json.dumps(workflow).encode(), None)
    body = json.dumps({"params": params}).encode() if params is not None else b""
    return app.triggering.trigger(submitted.execution_id, body, None).instance_id
