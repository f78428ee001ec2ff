"""One run of one seed: clients, workers, scheduler, sweep and dead letters around the store, until all has ended."""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any
from unittest import mock

from pydantic import BaseModel

import chalicelib.composition.forecaster  # noqa: F401  # see _seeded
import scheduler.scheduler
from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.core import delivery
from chalicelib.core import plan as plans
from chalicelib.core.handler import Handler
from chalicelib.core.weight import ROOM
from chalicelib.core.work import Message
from chalicelib.errors import Conflict, DoNotRetry, NotFound, Unavailable
from chalicelib.handlers.api import Config, Context, handler
from chalicelib.handlers.flow import noop
from chalicelib.handlers.webhook import WebhookCall
from chalicelib.queues.message import decode
from chalicelib.settings import Settings
from chalicelib.worker import committer
from chalicelib.worker.heartbeat import Heartbeat
from scheduler.dispatch import LambdaDispatch
from tests.simulation.calls import Calls
from tests.simulation.faults import Faults
from tests.simulation.monitor import Broken, Monitor
from tests.simulation.scenario import FOREVER, Act, Drawn, Scenario, draw, ends_as, sums
from tests.simulation.sqs import Entry, SimQueue, SimSender
from tests.simulation.store import SimStore
from tests.simulation.world import Died, Process, World
from tests.support.harness import some
from tests.support.invariants import Picture
from tests.support.virtual_clock import START_MS, ClockedStore, VirtualClock

SHARDS = 4
# The longest backward jump of the store's clock, and the longest backoff of a policy, in seconds.
JUMP_BACK, LONGEST_BACKOFF = 30.0, 3000.0


@dataclass(slots=True)
class Report:
    """The result of a run. `error` is what failed, or None if everything held; times are in seconds of the world."""

    scenario: Scenario
    error: str | None = None
    happened: list[str] = field(default_factory=list)
    transitions: int = 0
    nodes: int = 0
    recovery: float = 0.0
    sweeps: int = 0
    trace: list[str] = field(default_factory=list)


class Work(Config):
    """It sleeps, fails `fails` times or for good, and then adds up the results of its parents."""

    seconds: float = 0.0
    fails: int = 0
    fatal: bool = False
    named: Any = None


class Simulation:
    """`client` is a Redis for this run alone, which is emptied first. `trace` keeps what happened as text."""

    def __init__(self, client: Any, scenario: Scenario, *, trace: bool = False) -> None:
        self._client = client
        self._drawn: Drawn = draw(scenario)
        self._faults = Faults(scenario.seed, without=scenario.without, skip=scenario.skip)
        self._chance = Random(f"{scenario.seed}/chance")
        self._entropy = Random(f"{scenario.seed}/entropy")
        self._world = World(Random(f"{scenario.seed}/latency"))
        self._settings = Settings(
            lease_seconds=self._drawn.lease,
            resend_seconds=self._drawn.resend,
            max_lost=self._drawn.max_lost,
            hop_seconds=self._drawn.hop,
            first_hop_seconds=0.02 if self._drawn.hop else 0,
        )
        client.flushdb()
        self._clock = VirtualClock(client)
        self._jump = 0.0
        self._store = ClockedStore(client, self._clock)
        self._monitor = Monitor(client, self._turn, self._world.errors.append, self._faults)
        self._dead = SimQueue(self._world, self._faults, self._chance, visibility=30, max_receives=FOREVER, dead=None)
        self._queue = SimQueue(
            self._world,
            self._faults,
            self._chance,
            visibility=self._drawn.visibility,
            max_receives=self._drawn.max_receives,
            dead=self._dead,
        )
        self._monitor.operated = bool(self._drawn.acts)
        if self._drawn.scheduling == "inline":
            self._monitor.queued = self._queue.holds
        self._handlers = {one.name: one for one in (self._work(), self._quick(), self._webhook(), noop)}
        self._monitor.know(delivery.execution_id(None), some(delivery.plan(delivery.execution_id(None))))
        self._calls: Counter[str] = Counter()
        self._raised: Counter[tuple[str, str]] = Counter()
        self._accepted: dict[int, str] = {}
        self._acting = len(self._drawn.acts)
        self._cancelled: set[str] = set()
        self._count = 0
        self.report = Report(scenario)
        if trace:
            self._monitor.trace = self._faults.trace = self._note
            self._note(json.dumps(asdict(self._drawn)))

    def run(self) -> Report:
        """Run until every instance is terminal, and then for the final checks."""
        drawn, world, report = self._drawn, self._world, self.report
        with self._seeded():
            try:
                self._begin()
                world.run(lambda: world.now >= drawn.faulty and self._all_asked(), until=1e6)
                self._faults.stopped = True
                stopped, sweeps = world.now, report.sweeps
                bound = self._bound()
                ended = world.run(self._all_terminal, until=stopped + bound)
                self._monitor.require(ended, f"L1: not terminal {bound:.0f} s after the last fault: {self._live()}")
                report.recovery, report.sweeps = world.now - stopped, report.sweeps - sweeps
                # Whatever still happens must change nothing.
                world.run(lambda: False, until=world.now + 300)
                self._check_end()
            except Broken as error:
                report.error = str(error)
            except Exception:
                report.error = traceback.format_exc()
            finally:
                world.close()
                report.happened = self._faults.happened
                report.transitions = self._monitor.transitions
        return report

    def _note(self, what: str) -> None:
        self.report.trace.append(f"{self._world.now:10.3f} {what}")

    # the parts

    def _begin(self) -> None:
        outside = self._world.process("outside")
        for number in range(len(self._drawn.triggers)):
            self._world.start(outside, functools.partial(self._client_of, number), delay=self._chance.random())
        for _ in range(self._drawn.workers):
            self._world.start(outside, self._poller)
        self._world.start(outside, self._dead_letter_poller)
        self._world.start(outside, self._sweeper)
        self._world.start(outside, self._weather)
        for act in self._drawn.acts:
            self._world.start(outside, functools.partial(self._person, act))
        if self._drawn.acts:
            self._world.start(outside, self._caretaker)

    def _application(self, name: str) -> tuple[Process, Application]:
        """Return a process of the service with all that a Lambda container holds."""
        drawn, world = self._drawn, self._world
        self._count += 1
        process = world.process(f"{name} {self._count}")
        app = Application(self._settings)
        calls = Calls(world, process, self._faults, stop_seconds=drawn.lease)
        app.clock = lambda: world.now
        app.uniform = self._chance.uniform
        app.sleep = world.sleep
        app.processor = lambda: 0.0
        app.spawn = world.spawn
        app.store = SimStore(self._store, calls, self._faults, self._monitor, process, self._turn)
        app.queue = SimSender(calls, self._queue, self._faults)
        app.handlers = self._handlers
        app.executor = SimExecutor(world)
        app.heartbeat = SimHeartbeat(app.store, round(drawn.lease * 1000), world, process)
        if drawn.scheduling == "lambda":
            app.dispatch = LambdaDispatch(
                app.queue,
                SimInvoker(calls, self._faults, self._invoked),
                resend_ms=round(drawn.resend * 1000),
                weight=app.sizing.size,
                room=ROOM,
            )
        return process, app

    def _client_of(self, number: int) -> None:
        """Submit and trigger, with an Idempotency-Key, until there is an answer."""
        which = self._drawn.triggers[number]
        workflow = json.dumps(self._drawn.workflows[which]).encode()
        while True:
            execution_id = self._insist(lambda app: app.submission.submit(workflow, f"submit {which}").execution_id)
            stored = self._store.workflow(execution_id)
            if stored is not None:  # a failover may have lost it
                self._monitor.know(execution_id, plans.Plan.from_json(stored.document))
            with contextlib.suppress(NotFound):
                self._accepted[number] = self._insist(
                    functools.partial(_trigger, execution_id=execution_id, key=f"trigger {number}")
                )
                return
            # It may have lost the key of the submission as well, so there may be a new id.
            self._monitor.require(self._monitor.failovers > 0, f"{execution_id} was accepted, and is lost")

    def _person(self, act: Act) -> None:
        """Do one thing to an instance, and repeat it until it was done or is not possible."""
        while act.instance not in self._accepted:
            self._world.sleep(1.0)
        self._world.sleep(act.after)
        instance_id = self._accepted[act.instance]
        nodes = self._drawn.workflows[self._drawn.triggers[act.instance]]["dag"]["nodes"]
        chosen = [nodes[number]["id"] for number in act.nodes if number < len(nodes)]
        with contextlib.suppress(NotFound, Conflict):
            if act.what == "cancel":
                self._insist(lambda app: app.control.cancel(instance_id, b""))
                self._cancelled.add(instance_id)
            elif act.what == "pause":
                self._insist(lambda app: app.control.pause(instance_id))
                self._world.sleep(act.seconds)
                self._insist(lambda app: app.control.resume(instance_id))
            else:
                for _ in range(200):
                    if self._monitor.pictures[instance_id].terminal:
                        break
                    self._world.sleep(5.0)
                body = json.dumps({"from": chosen}).encode()
                self._insist(lambda app: app.control.rerun(instance_id, body, f"rerun {act}"))
        self._acting -= 1

    def _caretaker(self) -> None:
        """A failover may bring a pause back that was over. The user who paused it would see that, and resume it."""
        while True:
            self._world.sleep(30.0)
            for instance_id, picture in list(self._monitor.pictures.items()):
                if not self._acting and "paused" in picture.meta and not picture.terminal:
                    with contextlib.suppress(NotFound, Conflict):
                        self._insist(functools.partial(_resume, instance_id=instance_id))

    def _insist(self, call: Callable[[Application], Any]) -> Any:
        while True:
            process, app = self._application("http")
            try:
                return self._world.start(process, functools.partial(call, app)).wait()
            except (Died, Unavailable):
                self._world.sleep(1.0)
            except (NotFound, Conflict):
                raise
            except Exception as error:
                self._monitor.require(False, f"the API answers {error!r}")

    def _poller(self) -> None:
        """Be AWS Lambda's poller: one container after another, one batch at a time."""
        process, app = self._application("worker")
        while True:
            if not process.alive:
                process, app = self._application("worker")
            self._world.sleep(self._queue.idle(0.01 + self._chance.random() * 0.2))
            batch = self._queue.receive()
            if batch:
                self._deliver(process, app.worker.handle, batch, self._queue)

    def _dead_letter_poller(self) -> None:
        while True:
            self._world.sleep(self._dead.idle(1.0))
            batch = self._dead.receive()
            for entry in batch:
                message: Message = decode(entry.body)
                self._monitor.dead_letters |= {(message.ref.instance_id, ready.node) for ready in message.nodes}
            if batch:
                process, app = self._application("dead letters")
                self._deliver(process, app.dead_letters.handle, batch, self._dead)

    def _deliver(self, process: Process, function: Callable[..., Any], batch: list[Entry], queue: SimQueue) -> None:
        end = self._world.now + self._drawn.function
        event = {"Records": [{"messageId": entry.id, "body": entry.body} for entry in batch]}
        answer = self._world.start(process, lambda: function(event, SimContext(self._world, end)))
        limit = self._world.start(process, process.crash, delay=self._drawn.function)  # AWS Lambda's own timeout
        try:
            failed = {failure["itemIdentifier"] for failure in answer.wait()["batchItemFailures"]}
        except Died:
            return
        self._world.cancel(process, limit)
        for entry in batch:
            if entry.id not in failed:
                queue.delete(entry)

    def _sweeper(self) -> None:
        while True:
            # Without faults a minute is enough, as on AWS, since only the duration depends on it.
            self._world.sleep(max(self._drawn.sweep, 60.0) if self._faults.stopped else self._drawn.sweep)
            if self._faults.hit("sweep skipped"):
                continue
            self.report.sweeps += 1
            process, app = self._application("sweep")
            self._monitor.sweeper = process
            with contextlib.suppress(Died, Unavailable):
                self._world.start(process, app.sweep.run).wait()

    def _invoked(self, instance_id: str) -> None:
        process, app = self._application("scheduler")
        self._world.start(process, lambda: app.scheduler.handle({"instance_id": instance_id}), delay=0.01)

    def _weather(self) -> None:
        """Draw faults of the store as a whole."""
        while not self._faults.stopped:
            self._world.sleep(0.5)
            if self._faults.hit("clock jump"):
                draw = self._faults.draw("clock jump")
                self._jump += -JUMP_BACK * draw if draw < 0.5 else 3600 * draw
            if self._faults.hit("failover"):
                self._failover()

    def _failover(self) -> None:
        """Take the store back by up to a second: all of it, or only some shards, as in a cluster."""
        shards = [shard for shard in ids.all_shards() if self._faults.draw("failover") < 0.7]
        names = [name for shard in shards for name in self._client.keys(f"*{{{shard}}}*")]
        dumps = {name: (self._client.dump(name), max(0, self._client.pttl(name))) for name in names}
        known = self._monitor.save()
        self._world.sleep(self._faults.draw("failover"))
        for shard in shards:
            for name in self._client.keys(f"*{{{shard}}}*"):
                self._client.delete(name)
        for name, (value, left) in dumps.items():
            self._client.restore(name, left, value, replace=True)
        self._monitor.load(known, shards)

    # the end

    def _all_asked(self) -> bool:
        return len(self._accepted) == len(self._drawn.triggers) and not self._acting

    def _all_terminal(self) -> bool:
        return not self._live()

    def _live(self) -> list[str]:
        return [id for id, picture in self._monitor.pictures.items() if not picture.terminal or "owes" in picture.meta]

    def _bound(self) -> float:
        """Return the seconds in which all must be terminal: the longest wait of each step, for all possible steps."""
        drawn = self._drawn
        steps = max(len(workflow["dag"]["nodes"]) for workflow in drawn.workflows)
        step = 64 * drawn.resend + drawn.lease * 3 + 20 + drawn.visibility + 120
        return self._turn_back() + 2 * steps * step + 3 * steps * LONGEST_BACKOFF

    def _turn_back(self) -> float:
        return JUMP_BACK * self._faults.count("clock jump")

    def _check_end(self) -> None:
        require = self._monitor.require
        for instance_id in self._accepted.values():
            picture = self._monitor.pictures.get(instance_id)
            require(picture is not None or self._monitor.failovers > 0, f"{instance_id} was accepted, and is lost")
        for number, which in enumerate(self._drawn.triggers):
            instance_id = self._accepted[number]
            if instance_id in self._monitor.pictures:
                self._check_webhook(instance_id, self._drawn.workflows[which])
                self._check_instance(instance_id, self._drawn.workflows[which])

    def _check_instance(self, instance_id: str, workflow: dict[str, Any]) -> None:
        require, picture = self._monitor.require, self._monitor.pictures[instance_id]
        nodes = workflow["dag"]["nodes"]
        self.report.nodes += len(nodes)
        if picture.cut:
            self._check_cut(instance_id, workflow, picture)
            return
        status = {node["id"]: picture.nodes[str(number)][0] for number, node in enumerate(nodes)}
        errors = {int(node): json.loads(raw) for node, raw in some(self._store.snapshot(instance_id)).errors.items()}
        for number, (node, total) in enumerate(zip(nodes, sums(workflow, status).values(), strict=True)):
            record = picture.nodes[str(number)]
            if any(status[parent] not in "CI" for parent in node["dependencies"]):
                require(record[0] == "S", f"{node['id']} is {record[0]}, though a parent did not complete")
            elif record[0] == "C":
                require(ends_as(node) == "COMPLETED", f"{node['id']} completed, though its handler never can")
                value = json.loads(picture.results[str(number)])
                require(value == total, f"{node['id']} yields {value}, not {total}")
            else:
                self._check_failed(instance_id, number, node, record, errors.get(number, {}))
            ran = sum(self._monitor.starts[instance_id, node["id"], attempt + 1] for attempt in range(int(record[1])))
            require(ran <= int(record[1]) + self._monitor.failovers, f"L2: {node['id']} ran {ran} times")
        failed = "F" in status.values()
        require(picture.meta["status"] == ("FAILED" if failed else "COMPLETED"), f"{instance_id} ends wrongly")

    def _check_webhook(self, instance_id: str, workflow: dict[str, Any]) -> None:
        """Check that the webhook was called for each end, until it was received."""
        if "webhook" not in workflow:
            return
        picture = self._monitor.pictures[instance_id]
        call = self._monitor.pictures.get(ids.delivery(instance_id, int(picture.meta.get("epoch", 1))))
        self._monitor.require(call is not None, f"{instance_id} ended, and its webhook was not called")
        if call is None:
            return
        lost = call.meta["status"] != "COMPLETED"
        given_up = lost and int(call.nodes["0"][3]) >= self._drawn.max_lost
        self._monitor.require(not lost or given_up, f"the webhook of {instance_id} was called, and not heard")

    def _check_cut(self, instance_id: str, workflow: dict[str, Any], picture: Picture) -> None:
        """Check the reason for which an instance ended before its nodes did."""
        require, kind = self._monitor.require, json.loads(picture.meta.get("error", "{}")).get("type")
        if kind == "Cancelled":
            require(instance_id in self._cancelled, f"{instance_id} was cancelled by nobody")
        elif kind == "TimedOut":
            require("timeout_seconds" in workflow, f"{instance_id} had no time limit")
        elif kind is None:
            require(workflow.get("failure_policy") == "fail_fast", f"{instance_id} was cut off by nobody")
        else:
            require(self._monitor.failovers > 0, f"{instance_id} was aborted: {kind}")

    def _check_failed(
        self, instance_id: str, number: int, node: dict[str, Any], record: list[str], error: dict[str, Any]
    ) -> None:
        require = self._monitor.require
        ends = "I" if node.get("on_failure") == "ignore" else "F"
        require(record[0] == ends, f"{node['id']} is {record[0]}, though its parents completed")
        kind = error.get("type")
        if kind == "DeadLettered":
            require((instance_id, number) in self._monitor.dead_letters, f"{node['id']} had no dead letter")
        if kind in ("WorkerLost", "DeadLettered"):
            require(
                int(record[3]) >= self._drawn.max_lost, f"{node['id']} was given up after {record[3]} lost attempts"
            )
        else:
            require(ends_as(node) == "FAILED", f"{node['id']} failed, and should not have: {error}")

    # what the engine runs on

    def _turn(self) -> int:
        """Set the store's clock to that of the world. Returns it, in ms since 1970."""
        now = START_MS + round((self._world.now + self._jump) * 1000)
        if now != self._clock.now:
            self._clock.set(now)
        return now

    @contextlib.contextmanager
    def _seeded(self) -> Iterator[None]:
        """Set random numbers and sizes by the seed. With small slices, small graphs take the paths of large ones.

        A module that copies one of these names must have been imported before, or it would keep the size of this seed.
        """
        entropy = self._entropy

        def token_hex(size: int = 16) -> str:
            return entropy.randbytes(size).hex()

        with (
            mock.patch.object(secrets, "token_hex", token_hex),
            mock.patch.object(secrets, "randbelow", entropy.randrange),
            mock.patch.object(time, "time_ns", lambda: START_MS * 1_000_000),  # noqa: PT008  # a mock keeps each call
            mock.patch.object(ids, "SHARDS", SHARDS),
            mock.patch.object(plans, "SLICE", self._drawn.slice),
            mock.patch.object(committer, "SLICE", self._drawn.slice),
            mock.patch.object(scheduler.scheduler, "LIMIT", self._drawn.limit),
        ):
            yield

    def _work(self) -> Handler:
        @handler("work")
        def work(config: Work, context: Context) -> int:
            self._monitor.started(context)
            self._world.sleep(config.seconds)
            if self._faults.hit("crash in a handler"):
                self._world.current.process.crash()
            if config.fatal:
                raise DoNotRetry("fatal")
            key = (context.instance_id, context.node_id)
            if self._raised[key] < config.fails:
                self._raised[key] += 1
                raise RuntimeError("planned")
            self._monitor.require(
                config.named is None or config.named in context.results.values(), "a template yields something else"
            )
            return added(context)

        return work

    def _webhook(self) -> Handler:
        """Return the handler of webhooks, whose receiver accepts only the second call."""

        @handler("webhook")
        def webhook(config: WebhookCall, context: Context) -> dict[str, int]:
            self._monitor.started(context)
            self._world.sleep(0.1)
            self._calls[context.instance_id] += 1
            if self._calls[context.instance_id] == 1:
                raise RuntimeError("planned")
            return {"status": 200}

        return webhook

    def _quick(self) -> Handler:
        @handler("quick", instant=True)
        def quick(config: Config, context: Context) -> int:
            self._monitor.started(context)
            return added(context)

        return quick


def _trigger(app: Application, execution_id: str, key: str) -> str:
    return app.triggering.trigger(execution_id, b"", key).instance_id


def _resume(app: Application, instance_id: str) -> None:
    app.control.resume(instance_id)


def added(context: Context) -> int:
    return 1 + sum(value or 0 for value in context.results.values())


class SimContext:
    """The part of AWS Lambda's context that the worker reads."""

    def __init__(self, world: World, end: float) -> None:
        self._world, self._end = world, end

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._end - self._world.now) * 1000))


class SimExecutor:
    """See worker.executor.Executor. A handler's time is virtual, and the handler is cut off when it is over."""

    def __init__(self, world: World) -> None:
        self._world = world

    def run(self, handler: Handler, config: BaseModel, context: Context, timeout: float) -> Any:
        seconds = getattr(config, "seconds", 0.0)
        if seconds > timeout:
            self._world.sleep(timeout)
            raise TimeoutError(f"the handler ran longer than its {timeout:g} s")
        return handler.function(*((config, context) if handler.wants_context else (config,)))


class SimHeartbeat(Heartbeat):
    """Beats in an actor of its process, as long as there are leases to extend."""

    def __init__(self, store: Any, lease_ms: int, world: World, process: Process) -> None:
        super().__init__(store, lease_ms=lease_ms)
        self._world, self._process = world, process
        self._beats = False

    def _start(self) -> None:
        if not self._beats:
            self._beats = True
            self._world.start(self._process, self._beat_on)

    def _beat_on(self) -> None:
        while self._running:
            self._world.sleep(self.lease_ms / 3000)
            self.beat()
        self._beats = False


class SimInvoker:
    """See queues/protocol.py."""

    def __init__(self, calls: Calls, faults: Faults, invoked: Callable[[str], None]) -> None:
        self._calls, self._faults, self._invoked = calls, faults, invoked

    def invoke(self, instance_id: str) -> None:
        self._calls.run(lambda: self._invoke(instance_id))

    def _invoke(self, instance_id: str) -> None:
        if self._faults.hit("invocation refused"):
            raise ConnectionError("simulated: the invocation was refused")
        if self._faults.hit("invocation lost"):
            return
        for _ in range(2 if self._faults.hit("invocation doubled") else 1):
            self._invoked(instance_id)
