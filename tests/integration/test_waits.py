"""Nodes that wait: many run at once in one worker, none holds up another, and the worker waits out short backoffs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.composition import Application
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.errors import Unavailable
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import decode, encode
from tests.support.harness import application, drain, run, sqs_event, wait_until
from tests.support.invariants import check_invariants

AT_ONCE = 200


class Meets(Config):
    """The number of nodes that must wait at once before any of them continues."""

    nodes: int


class Gates:
    """What the handlers of a test wait for, and what they record."""

    def __init__(self) -> None:
        self.here = threading.Semaphore(0)
        self.open = threading.Event()
        self.attempts: list[int] = []
        self.inside: list[int] = []
        self.sleep: Callable[[float], Any] = lambda seconds: None


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def slept() -> list[float]:
    """The seconds for which the worker was asked to wait."""
    return []


@pytest.fixture
def app(valkey_url: str, queue: MemoryQueue, gates: Gates, slept: list[float]) -> Iterator[Application]:
    barriers: dict[int, threading.Barrier] = {}

    @handler("meet", waits=True)
    def meet(config: Meets) -> None:
        barriers.setdefault(config.nodes, threading.Barrier(config.nodes)).wait(60)

    bound, inside = threading.BoundedSemaphore(3), set[str]()

    @handler("bounded", waits=True)
    def bounded(config: Config, context: Context) -> None:
        with bound:
            inside.add(context.node_id)
            gates.inside.append(len(inside))
            barriers.setdefault(3, threading.Barrier(3)).wait(60)
            inside.remove(context.node_id)

    @handler("held", waits=True)
    def held(config: Config) -> None:
        gates.here.release()
        assert gates.open.wait(60)

    @handler("fails_once", waits=True)
    def fails_once(config: Config, context: Context) -> int:
        gates.attempts.append(context.attempt)
        if context.attempt == 1:
            raise ValueError("the first time")
        return context.attempt

    @handler("instant_fails_once", instant=True)
    def instant_fails_once(config: Config, context: Context) -> int:
        return int(fails_once(config, context))

    app = application(valkey_url, queue, [meet, bounded, held, fails_once, instant_fails_once])
    gates.sleep = slept.append
    app.sleep = lambda seconds: gates.sleep(seconds)
    app.uniform = lambda a, b: b
    yield app
    gates.open.set()
    app.redis.close()


def node(id: str, handler: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), **more}


def workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "w", "dag": {"nodes": list(nodes)}}


def retried(name: str, seconds: float) -> dict[str, Any]:
    return node("a", name, retry_policy={"max_attempts": 3, "initial_backoff_seconds": seconds})


def in_background(app: Application, queue: MemoryQueue) -> threading.Thread:
    thread = threading.Thread(target=drain, args=(app, queue))
    thread.start()
    return thread


def test_an_invocation_runs_all_that_it_is_sent_at_once(app: Application, queue: MemoryQueue) -> None:
    """They continue when the last one is there, so fewer threads than nodes would wait for ever."""
    nodes = [node(f"n{number}", "meet", config={"nodes": AT_ONCE}) for number in range(AT_ONCE)]
    instance_id = run(app, workflow(*nodes, node("z", "noop", *(each["id"] for each in nodes))))
    assert len(queue.bodies) == 10  # messages: one invocation
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"
    check_invariants(app.redis, instance_id)


def test_a_semaphore_of_its_own_bounds_the_calls_of_a_handler(
    app: Application, queue: MemoryQueue, gates: Gates
) -> None:
    """As docs/handlers.md says: three at a time, and no fewer, since three have to meet."""
    instance_id = run(app, workflow(*(node(f"n{number}", "bounded") for number in range(60))))
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"
    assert len(gates.inside) == 60 and max(gates.inside) == 3


def test_a_node_that_waits_holds_up_no_other(app: Application, queue: MemoryQueue, gates: Gates) -> None:
    """The nodes behind a quick one end while a slow one of the same message waits."""
    instance_id = run(
        app, workflow(node("slow", "held"), node("quick", "meet", config={"nodes": 1}), node("next", "noop", "quick"))
    )
    assert len(queue.bodies) == 1
    worker = in_background(app, queue)
    assert gates.here.acquire(timeout=60)
    wait_until(lambda: app.status.of(instance_id).nodes["next"].status == "COMPLETED", what="the quick one's child")
    assert app.status.of(instance_id).nodes["slow"].status == "RUNNING"
    gates.open.set()
    worker.join(60)
    assert app.status.of(instance_id).status == "COMPLETED"


@pytest.mark.parametrize("name", ["fails_once", "instant_fails_once"])
def test_a_short_backoff_is_waited_out_by_the_worker(
    app: Application, queue: MemoryQueue, gates: Gates, slept: list[float], name: str
) -> None:
    instance_id = run(app, workflow(retried(name, 0.2)))
    [body] = queue.take()
    assert app.worker.handle(sqs_event([body])) == {"batchItemFailures": []}
    assert slept == [0.2] and gates.attempts == [1, 2] and queue.bodies == []
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].attempt == 2 and view.usage.messages == 1
    history = [
        (event.event, event.attempt)
        for event in app.history.of(instance_id, node=None, limit=100, cursor=0).events
        if event.node
    ]
    assert ("failed", 1) in history and history.count(("started", 2)) == 1
    check_invariants(app.redis, instance_id)


def test_a_backoff_goes_through_the_queue_to_the_millisecond(
    app: Application, queue: MemoryQueue, gates: Gates, slept: list[float]
) -> None:
    """The queue delays whole seconds, and the worker that receives the message waits for the rest."""
    instance_id = run(app, workflow(retried("fails_once", 2.35)))
    assert app.worker.handle(sqs_event(queue.take())) == {"batchItemFailures": []}
    assert slept == [] and gates.attempts == [1]
    assert app.worker.handle(sqs_event(queue.take())) == {"batchItemFailures": []}
    assert slept == [0.35] and gates.attempts == [1, 2]
    assert app.status.of(instance_id).usage.messages == 2


class Invocation:
    """An invocation that has this many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self._seconds * 1000)


def test_a_worker_without_the_time_leaves_the_backoff_to_the_queue(
    app: Application, queue: MemoryQueue, gates: Gates, slept: list[float]
) -> None:
    run(app, workflow(retried("fails_once", 0.2)))
    assert app.worker.handle(sqs_event(queue.take()), Invocation(60)) == {"batchItemFailures": []}  # a node takes 60 s
    assert slept == [] and gates.attempts == [1] and len(queue.bodies) == 1


@pytest.mark.parametrize("what", ["cancel", "pause"])
def test_what_happens_during_the_backoff_is_obeyed(
    app: Application, queue: MemoryQueue, gates: Gates, what: str
) -> None:
    instance_id = run(app, workflow(retried("fails_once", 0.2)))
    acts = {"cancel": lambda _: app.control.cancel(instance_id, b""), "pause": lambda _: app.control.pause(instance_id)}
    gates.sleep = acts[what]
    assert app.worker.handle(sqs_event(queue.take())) == {"batchItemFailures": []}
    assert gates.attempts == [1] and queue.bodies == []
    if what == "pause":
        app.control.resume(instance_id)
        drain(app, queue)
        assert gates.attempts == [1, 2] and app.status.of(instance_id).status == "COMPLETED"
    check_invariants(app.redis, instance_id)


def test_processor_time_is_measured_where_a_handler_does_not_declare_whether_it_waits(
    app: Application, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    @handler("plain")
    def plain(config: Config) -> None: ...

    @handler("fails")
    def fails(config: Config) -> None:
        raise ValueError("also measured")

    @handler("computes", waits=False)
    def computes(config: Config) -> None: ...

    app.handlers = app.handlers | {one.name: one for one in (plain, fails, computes)}
    measured: list[tuple[str, float]] = []
    monkeypatch.setattr(app.sizing, "computed", lambda name, seconds: measured.append((name, seconds)))
    readings = iter(range(9))
    app.processor = lambda: next(readings)
    run(app, workflow(node("a", "plain"), node("b", "fails", "a"), node("c", "computes", "a")))
    drain(app, queue)
    assert sorted(measured) == [("fails", 1), ("plain", 1)]


def test_a_store_that_is_away_after_the_backoff_leaves_the_node_to_the_sweep(
    app: Application, queue: MemoryQueue, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id = run(app, workflow(retried("fails_once", 0.2)))
    claim = app.store.claim
    answers = iter([claim])

    def once(*arguments: Any, **named: Any) -> Any:
        answer = next(answers, None)
        if answer is None:
            raise Unavailable("away")
        return answer(*arguments, **named)

    monkeypatch.setattr(app.store, "claim", once)
    assert app.worker.handle(sqs_event(queue.take())) == {"batchItemFailures": []}
    assert gates.attempts == [1]
    record = app.store.snapshot(instance_id)
    assert record is not None and record.records[0].state == "Q" and record.records[0].attempt == 2
    due = app.redis.zscore(f"dag1:{{{instance_id[-2:]}}}:{instance_id}:due", "0")
    assert due is not None  # where the sweep looks


def test_a_message_that_waits_is_reported_where_it_cannot_be_claimed(
    app: Application, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id = run(app, workflow(node("a", "noop")))
    queue.take()
    execution_id = app.resolver.ref(instance_id).execution_id

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("away")

    monkeypatch.setattr(app.store, "claim", away)
    body = encode(Message(Ref(instance_id, execution_id), (Ready(0, 1, 300),)))
    assert app.worker.handle(sqs_event([body])) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_what_ended_makes_room_for_as_much_and_no_more(
    app: Application, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty nodes that wait, each with ten children: a worker that took them all would hold hundreds."""
    parents = [node(f"p{number}", "meet", config={"nodes": 20}) for number in range(20)]
    children = [
        node(f"c{number}", "meet", f"p{number // 10}", config={"nodes": 1}) for number in range(10 * len(parents))
    ]
    most, holding = 0, threading.Lock()
    hold = app.heartbeat.hold

    def counted(*what: Any) -> None:
        nonlocal most
        with holding:
            hold(*what)
            most = max(most, len(app.heartbeat._running))

    monkeypatch.setattr(app.heartbeat, "hold", counted)
    run(app, workflow(*parents, *children))
    bodies = queue.take()
    assert len(bodies) == 1
    app.worker.handle(sqs_event(bodies))
    assert most <= 2 * 20 + 20  # those that ended are released after their children are claimed
    drain(app, queue)


def test_a_suspect_is_alone_in_its_process(app: Application, queue: MemoryQueue, gates: Gates) -> None:
    """A local process has several batches in hand, and a node that lost a lease must take no node of these down."""
    first, second = (run(app, workflow(node("a", "held"))) for _ in range(2))
    bodies = queue.take()
    assert len(bodies) == 2
    message = decode(bodies[1])
    suspect = replace(message, nodes=tuple(replace(ready, alone=True) for ready in message.nodes))
    threads = [threading.Thread(target=app.worker.handle, args=(sqs_event([bodies[0]]),))]
    threads[0].start()
    assert gates.here.acquire(timeout=10)
    threads.append(threading.Thread(target=app.worker.handle, args=(sqs_event([encode(suspect)]),)))
    threads[1].start()
    wait_until(lambda: app.worker.closed, what="a worker that is closed")
    assert not gates.here.acquire(timeout=0.05), "the suspect runs beside another node"
    gates.open.set()
    assert gates.here.acquire(timeout=10)
    for thread in threads:
        thread.join(10)
    assert {app.status.of(one).status for one in (first, second)} == {"COMPLETED"} and not app.worker.closed
