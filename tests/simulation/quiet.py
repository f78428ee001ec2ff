"""The real engine in virtual time, without faults, and with a given duration for every call, as a rehearsal
(chalicelib/core/rehearsal.py) assumes it."""

from __future__ import annotations

import functools
import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from chalicelib.composition import Application
from chalicelib.core.durations import INSTANT
from chalicelib.core.handler import Handler
from chalicelib.core.records import Pressure
from chalicelib.core.rules import Delays, RunTotals
from chalicelib.core.work import Message
from chalicelib.handlers.api import Config, Context, handler
from chalicelib.queues.message import encode
from chalicelib.queues.sqs import batches
from chalicelib.settings import Settings
from chalicelib.store.definitions import Definitions
from scheduler.dispatch import LambdaDispatch
from tests.simulation.simulation import SimContext, SimExecutor, SimHeartbeat
from tests.simulation.world import Process, World
from tests.support.harness import sqs_event
from tests.support.virtual_clock import START_MS, ClockedStore, VirtualClock

FUNCTION_SECONDS = 900.0
TRANSITIONS = ("create", "claim", "complete", "settle", "take_due")


class Nap(Config):
    seconds: float = 0.0


class Quiet:
    """One run, on a Redis of its own. `totals` are what it took, without the commands inside calls."""

    def __init__(self, client: Any, delays: Delays, *, workers: int | None, **settings: Any) -> None:
        client.flushdb()
        self.totals = RunTotals()
        self.calls: Counter[str] = Counter()
        self._world = World(SimpleNamespace(random=lambda: 0.0))  # type: ignore[arg-type]
        self._delays = delays
        self._workers = workers
        self._settings = Settings(**settings)
        self._clock = VirtualClock(client)
        self._store = ClockedStore(client, self._clock)
        self._definitions = Definitions(self._store)
        self._handlers = {one.name: one for one in (self._nap(), self._quick())}
        self._bodies: deque[str] = deque()
        self._idle: list[tuple[Process, Application]] = []
        self._working = 0
        self._begun = 0.0
        self.http = self._application("http")[1]
        self._sizing = self._application("sizing")[1].sizing

    def run(self, workflow: dict[str, Any], measured: dict[str, float]) -> str:
        """Run to the end. `measured` is how long handlers took before, in seconds. Returns the instance_id."""
        for name, seconds in measured.items():
            self._sizing.note(name, seconds)
            self._sizing.computed(name, 0.0)
        outside = self._world.process("outside")
        submitted = self._world.start(outside, lambda: self.http.submission.submit(json.dumps(workflow).encode(), None))
        self._world.run(lambda: submitted.done, until=1)
        execution_id = submitted._value.execution_id
        self._definitions.get(execution_id)
        self.totals, self.calls, self._begun = RunTotals(), Counter(), self._world.now
        triggered = self._world.start(outside, lambda: self.http.triggering.trigger(execution_id, b"", None))
        self._world.run(lambda: False, until=1e6)
        self.totals.makespan_seconds -= self._begun
        self.totals.redis_calls = self.calls.total()
        self.totals.transitions = sum(self.calls[name] for name in TRANSITIONS)
        instance_id: str = triggered._value.instance_id
        return instance_id

    def _application(self, name: str) -> tuple[Process, Application]:
        world = self._world
        process, app = world.process(name), Application(self._settings)
        app.clock = lambda: world.now
        app.sleep = world.sleep
        app.processor = lambda: 0.0
        app.spawn = world.spawn
        app.store = Slowly(self._store, self._called)
        app.queue = self
        app.definitions = self._definitions
        app.handlers = self._handlers
        app.executor = SimExecutor(world)
        app.heartbeat = SimHeartbeat(app.store, app.heartbeat.lease_ms, world, process)
        if name == "worker":
            app.sizing = self._sizing
        if self._settings.scheduling == "lambda":
            app.dispatch = LambdaDispatch(
                app.queue, self, resend_ms=app.dispatch.by.resend_ms, weight=app.sizing.size, room=app.dispatch.room
            )
        return process, app

    def _called(self, name: str, call: Callable[[], Any], *, message: bool) -> Any:
        self._world.sleep(self._delays.redis)
        # From the trigger on, as in the rehearsal: moments in the same millisecond decide the order of nodes.
        self._clock.set(START_MS + round((self._world.now - self._begun) * 1000))
        answer = call()
        closed = name == "take_due" and answer.outcome == "CLOSED"
        self.calls["look_at_ended" if closed else name] += 1
        self.totals.messages += name == "claim" and message
        if name == "complete" and answer.status == "COMPLETED":
            self.totals.makespan_seconds = self._world.now
        return answer

    # the queue and its consumers

    def send(self, messages: Sequence[Message]) -> list[Message]:
        for batch in batches(messages):
            self.totals.sqs_send_requests += 1
            self._world.sleep(self._delays.aws)
            bodies = [encode(message) for message, _ in batch]
            self._world.start(self._world.process("queue"), functools.partial(self._deliver, bodies))
        return []

    def ping(self) -> None:
        return None

    def backlog(self) -> int:
        return 0

    def _deliver(self, bodies: list[str]) -> None:
        self._world.sleep(self._delays.queue)
        self._bodies.extend(bodies)
        self._wake()

    def _wake(self) -> None:
        while self._bodies and (self._workers is None or self._working < self._workers):
            self._working += 1
            self.totals.worker_invocations += 1
            self.totals.peak_workers = max(self.totals.peak_workers, self._working)
            taken = [self._bodies.popleft() for _ in range(min(10, len(self._bodies)))]
            process, app = self._idle.pop() if self._idle else self._application("worker")
            self._world.start(process, functools.partial(self._handle, process, app, taken))

    def _handle(self, process: Process, app: Application, bodies: list[str]) -> None:
        begun = self._world.now
        context = SimContext(self._world, begun + FUNCTION_SECONDS)
        assert app.worker.handle(sqs_event(bodies), context) == {"batchItemFailures": []}
        self.totals.lambda_seconds += self._world.now - begun
        self._working -= 1
        self._idle.append((process, app))
        self._wake()

    # the scheduler function

    def invoke(self, instance_id: str) -> None:
        """See queues/protocol.py."""
        self._world.sleep(self._delays.aws)
        process, app = self._application("scheduler")
        self._world.start(process, lambda: self._schedule(app, instance_id))

    def _schedule(self, app: Application, instance_id: str) -> None:
        self._world.sleep(self._delays.scheduler)
        self.totals.scheduler_invocations += 1
        begun = self._world.now
        app.scheduler.handle({"instance_id": instance_id})
        self.totals.lambda_seconds += self._world.now - begun

    # the handlers

    def _nap(self) -> Handler:
        @handler("nap")
        def nap(config: Nap, context: Context) -> None:  # so that it needs the results of its dependencies
            self._world.sleep(config.seconds)

        return nap

    def _quick(self) -> Handler:
        @handler("quick", instant=True)
        def quick(config: Config) -> None:
            self._world.sleep(INSTANT)

        return quick


class Slowly:
    """See store/protocol.py. Every call takes time, and is counted, except reading the load, which is no state."""

    def __init__(self, store: ClockedStore, called: Callable[..., Any]) -> None:
        self._store, self._called = store, called

    def pressure(self, *, late_ms: int) -> Pressure:
        return Pressure(None, 0)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)
        return lambda *args, **named: self._called(
            name, lambda: method(*args, **named), message=named.get("message", True)
        )
