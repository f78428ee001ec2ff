"""One pass of the scheduler, of the sweep and of the dead-letter consumer, by a clock that stands still."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from chalicelib import ids
from chalicelib.core.calls import Children, Dispatching, Wanted
from chalicelib.core.plan import SLICE
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.metrics.protocol import Off
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import decode, encode
from chalicelib.store import keys
from chalicelib.store.definitions import Definitions
from chalicelib.tracing import tracer
from scheduler import sweep as sweeps
from scheduler.dead_letters import DeadLetters
from scheduler.dispatch import InlineDispatch
from scheduler.scheduler import LIMIT, Pass, Scheduler
from scheduler.sweep import Sweep, Swept
from tests.support.harness import sqs_event
from tests.support.virtual_clock import ClockedStore, VirtualClock

RESEND_MS, LEASE_MS, MAX_LOST = 30_000, 10_000, 2
LATER = Dispatching(taken=False, resend_ms=RESEND_MS)


class Diary(Off):
    """A record of what was counted."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def lost(self, handler: str) -> None:
        self.entries.append(("lost", handler))

    def dispatched(self, lags: Iterable[float]) -> None:
        self.entries.append(("dispatched", list(lags)))

    def swept(self, *, nodes: int, failed: int, late: float) -> None:
        self.entries.append(("swept", nodes, failed, late))

    def dead_letters(self, count: int) -> None:
        self.entries.append(("dead_letters", count))


class World:
    """The real store with a virtual clock, and the parts of a process around it."""

    def __init__(self, client: redis.Redis, clock: VirtualClock) -> None:
        self.client, self.clock = client, clock
        self.store = ClockedStore(client, clock)
        self.queue, self.diary = MemoryQueue(), Diary()
        self.told: list[str] = []
        self.emptied: list[str] = []
        self.seconds = 0.0
        self.definitions = Definitions(self.store)
        self.dispatch = InlineDispatch(self.queue, resend_ms=RESEND_MS, weight=lambda handler: 100, room=100)
        self.scheduler = Scheduler(
            self.store,
            self.definitions,
            self.dispatch,
            offload=SimpleNamespace(forget=self.emptied.append),  # type: ignore[arg-type]
            call_webhook=self.told.append,
            max_lost=MAX_LOST,
            tracer=tracer.Off(),
            metrics=self.diary,
            clock=self.now,
        )
        self.letters = DeadLetters(
            self.store, self.definitions, self.dispatch, self.scheduler, max_lost=MAX_LOST, metrics=self.diary
        )

    def now(self) -> float:
        """Advance the process's clock by a quarter of a second at each reading."""
        self.seconds += 0.25
        return self.seconds

    def sweep(self, **more: Any) -> Sweep:
        return Sweep(self.store, self.scheduler, clock=more.pop("clock", lambda: 0.0), metrics=self.diary, **more)

    def start(self, *nodes: dict[str, Any], shard: str | None = None, **more: Any) -> Ref:
        """Start an instance whose roots have not been sent."""
        document = {"name": "Passes", "dag": {"nodes": list(nodes)}, **more}
        execution_id, instance_id = ids.new(ids.EXECUTION), ids.new(ids.INSTANCE)
        self.store.put_workflow(execution_id, name="Passes", document=json.dumps(document).encode())
        ref = Ref(instance_id[:-2] + (shard or instance_id[-2:]), execution_id)
        plan = self.definitions.get(execution_id)
        assert plan is not None
        items, cursor = plan.unblocks(-1)
        self.store.create(
            ref, total=len(nodes), params=b"{}", roots=Children(items, cursor), by=LATER, terms=plan.terms
        )
        return ref

    def claim(self, ref: Ref, node: int, attempt: int = 1) -> Outcome:
        wanted = [Wanted(node, attempt, ())]
        return self.store.claim(ref.instance_id, owner="me", lease_ms=LEASE_MS, wanted=wanted).nodes[0].outcome

    def fail(self, ref: Ref, node: int) -> None:
        self.claim(ref, node)
        error, none = json.dumps({"type": "Boom", "message": "it broke"}).encode(), Children([], 0)
        self.store.fail(ref.instance_id, node=node, attempt=1, error=error, delay_ms=None, look_ms=0, descendants=none)

    def states(self, ref: Ref) -> dict[int, str]:
        found = self.store.snapshot(ref.instance_id)
        assert found is not None
        return {node: record.state for node, record in found.records.items()}

    def sent(self) -> list[Ready]:
        """Return what is in the queue, and empty it."""
        bodies, self.queue.bodies = self.queue.bodies, []
        return [ready for body in bodies for ready in decode(body).nodes]


@pytest.fixture
def world(valkey_url: str) -> Iterator[World]:
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        with VirtualClock(client) as clock:
            yield World(client, clock)
        client.flushall()


def node(id: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": f"handler_of_{id}", "dependencies": list(dependencies), **more}


def break_workflow(world: World, ref: Ref) -> None:
    """Change the key so that every read of it is an error of Redis."""
    world.client.delete(keys.workflow(ref.execution_id))
    world.client.set(keys.workflow(ref.execution_id), "no hash", ex=60)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records]


def test_a_pass_sends_what_is_due_and_says_how_late_it_is(world: World) -> None:
    ref = world.start(node("a"), node("b"))
    world.clock.advance(700)
    assert world.scheduler.run(ref.instance_id) == Pass(2, 700)
    assert world.sent() == [Ready(0, 1), Ready(1, 1)]
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)
    world.clock.advance(RESEND_MS - 1)
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0) and world.sent() == []
    world.clock.advance(11)
    assert world.scheduler.run(ref.instance_id) == Pass(2, 10)
    assert world.sent() == [Ready(0, 1), Ready(1, 1)]


def test_a_pass_goes_on_until_nothing_is_due(world: World) -> None:
    count = 2 * LIMIT + 1
    ref = world.start(*(node(f"n{number}") for number in range(count)))
    world.clock.advance(50)
    assert world.scheduler.run(ref.instance_id) == Pass(count, 50)
    assert sorted(ready.node for ready in world.sent()) == list(range(count))


def test_what_does_not_exist_is_no_work(world: World) -> None:
    assert world.scheduler.run(ids.new(ids.INSTANCE)) == Pass(0, 0)
    assert world.told == [] and world.emptied == []


def test_the_function_says_what_it_handled_and_how_long_that_took_since_it_was_due(world: World) -> None:
    ref = world.start(node("a"), node("b"))
    world.clock.advance(1500)
    assert world.scheduler.handle({"instance_id": ref.instance_id}) == {"handled": 2}
    assert world.diary.entries == [("dispatched", [1.75])]
    assert world.scheduler.handle({"instance_id": ref.instance_id}) == {"handled": 0}
    assert len(world.diary.entries) == 1


def test_a_lost_lease_is_sent_alone_and_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "scheduler")
    ref = world.start(node("a"), node("b", "a"))
    world.scheduler.run(ref.instance_id)
    assert lines(caplog) == [("DEBUG", "node sent")] and world.sent() == [Ready(0, 1)]
    caplog.clear()
    assert world.claim(ref, 0) is Outcome.CLAIMED
    world.clock.advance(LEASE_MS)
    assert world.scheduler.run(ref.instance_id) == Pass(1, 0)
    assert world.sent() == [Ready(0, 2, alone=True)]
    record: Any = caplog.records[0]
    assert len(caplog.records) == 1
    assert (record.levelname, record.message, record.why) == ("WARNING", "node sent again", "a worker lost it")
    assert (record.node, record.attempt) == ("a", 2)
    assert (record.instance_id, record.execution_id) == (ref.instance_id, ref.execution_id)
    caplog.clear()
    world.claim(ref, 0, attempt=2)
    world.clock.advance(LEASE_MS)
    assert world.scheduler.run(ref.instance_id) == Pass(1, 0)
    assert world.sent() == [] and world.diary.entries == [("lost", "handler_of_a")]
    assert lines(caplog) == [("ERROR", "node failed"), ("INFO", "instance finished")]
    assert world.states(ref) == {0: "F", 1: "S"} and world.store.status(ref.instance_id) == "FAILED"


def test_a_failed_node_is_settled_by_whoever_finds_it(world: World) -> None:
    """Its worker died before it had dealt with the nodes behind it, and none of them is lost."""
    ref = world.start(node("a"), node("b", "a"), node("c", "b"), node("d"))
    world.scheduler.run(ref.instance_id)
    world.sent()
    world.fail(ref, 0)
    assert world.scheduler.run(ref.instance_id) == Pass(1, 0)
    assert world.states(ref) == {0: "F", 1: "S", 2: "S", 3: "Q"}
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)


def test_the_children_of_an_ignored_failure_are_sent(world: World) -> None:
    ref = world.start(node("a", on_failure="ignore"), node("b", "a"), node("c", "b"))
    world.scheduler.run(ref.instance_id)
    world.sent()
    world.fail(ref, 0)
    assert world.scheduler.run(ref.instance_id) == Pass(1, 0)
    assert world.sent() == [Ready(1, 1)] and world.states(ref) == {0: "I", 1: "Q"}


@pytest.mark.parametrize("count", [SLICE - 1, SLICE, SLICE + 1, 2 * SLICE + 1])
def test_roots_beyond_the_first_slice_wait_for_the_trigger_and_then_for_the_sweep(world: World, count: int) -> None:
    ref = world.start(*(node(f"n{number}") for number in range(count)))
    first = list(range(min(count, SLICE)))
    world.scheduler.run(ref.instance_id)
    assert sorted(ready.node for ready in world.sent()) == first
    world.clock.advance(RESEND_MS - 1)  # until then the trigger has to do it
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)
    world.clock.advance(1)
    world.scheduler.run(ref.instance_id)
    assert sorted(ready.node for ready in world.sent()) == sorted([*range(count), *first][len(first) :])
    assert world.states(ref) == dict.fromkeys(range(count), "Q")
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)


def test_a_slice_that_another_has_settled_is_left_to_that_one(world: World) -> None:
    ref = world.start(*(node(f"n{number}") for number in range(2 * SLICE + 1)))
    plan = world.definitions.get(ref.execution_id)
    assert plan is not None
    world.scheduler.settle(ref, plan, -1, 2 * SLICE, failed=False)  # as if the second slice were done
    assert world.sent() == []
    world.scheduler.settle(ref, plan, -1, SLICE, failed=False)
    assert sorted(ready.node for ready in world.sent()) == list(range(SLICE, 2 * SLICE + 1))
    world.scheduler.settle(ref, plan, -1, SLICE, failed=False)
    assert world.sent() == []


def test_an_instance_whose_time_is_over_is_said_to_have_ended(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ref = world.start(node("a"), timeout_seconds=5, webhook={"url": "https://example.org"})
    world.scheduler.run(ref.instance_id)
    assert world.told == []
    world.clock.advance(5000)
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)
    assert world.store.status(ref.instance_id) == "FAILED"
    assert lines(caplog) == [("INFO", "instance finished")]
    assert world.told == [ref.instance_id]  # its webhook has still to be called
    world.clock.advance(RESEND_MS)
    world.scheduler.run(ref.instance_id)
    assert world.told == [ref.instance_id] * 2
    assert world.store.clear_outbox(ref.instance_id, epoch=1) is Outcome.CLEARED
    world.scheduler.run(ref.instance_id)
    assert world.told == [ref.instance_id] * 2


def test_an_instance_without_its_workflow_is_ended_and_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ref = world.start(node("a"))
    world.store.forget_workflow(ref.execution_id)
    world.scheduler._definitions = Definitions(world.store)
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)
    snapshot = world.store.snapshot(ref.instance_id)
    assert snapshot is not None and snapshot.status == "FAILED" and snapshot.error is not None
    assert json.loads(snapshot.error)["type"] == "DefinitionGone"
    world.scheduler.abort(ref)
    assert lines(caplog) == [("ERROR", "instance aborted")]
    assert caplog.records[0].instance_id == ref.instance_id  # type: ignore[attr-defined]
    assert caplog.records[0].execution_id == ref.execution_id  # type: ignore[attr-defined]


def test_large_results_of_what_is_gone_are_deleted_and_then_it_is_forgotten(world: World) -> None:
    ref = world.start(node("a"))
    world.claim(ref, 0)
    assert world.store.offload(ref.instance_id, node=0, attempt=1) is Outcome.OPEN
    world.store.end(ref.instance_id, status="CANCELLED", error=b"")
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0) and world.emptied == []
    assert world.store.forget(ref.instance_id) is Outcome.LEFT
    assert world.store.overdue(limit=5) == [ref.instance_id]
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)
    assert world.emptied == [ref.instance_id]
    world.clock.advance(10**12)
    assert world.store.overdue(limit=5) == []


# The sweep.


def test_a_sweep_looks_at_all_that_is_overdue_however_many_there_are(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scheduler")
    many = [world.start(node("a"), shard="07") for _ in range(2 * sweeps.LIMIT + 1)]
    world.clock.advance(2500)
    assert world.sweep().run() == Swept(len(many), len(many), 0)
    assert len(world.sent()) == len(many)
    assert world.diary.entries == [("swept", len(many), 0, 2.5)]
    assert [(r.message, r.instances, r.nodes, r.failed) for r in caplog.records] == [("swept", 101, 101, 0)]  # type: ignore[attr-defined]
    caplog.clear()
    assert world.sweep().run() == Swept(0, 0, 0)
    assert world.diary.entries[1:] == [("swept", 0, 0, 0)] and caplog.records == []


def test_an_instance_that_cannot_be_handled_keeps_a_sweep_from_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scheduler")
    broken = [world.start(node("a"), shard="01") for _ in range(2)]
    world.clock.advance(3000)
    fine = [world.start(node("a"), node("b"), shard="01") for _ in range(2)]
    for ref in broken:
        break_workflow(world, ref)
    world.scheduler._definitions = Definitions(world.store)
    world.clock.advance(1000)
    assert world.sweep().run() == Swept(4, 4, 2)
    assert world.diary.entries == [("swept", 4, 2, 1.0)]
    *failed, swept = caplog.records
    assert [(r.levelname, r.message) for r in failed] == [("ERROR", "sweep failed on an instance")] * 2
    assert {vars(r)["instance_id"] for r in failed} == {ref.instance_id for ref in broken}
    assert vars(swept).items() >= {"message": "swept", "instances": 4, "nodes": 4, "failed": 2}.items()
    assert {ref.instance_id for ref in fine} & set(world.store.overdue(limit=5)) == set()


@pytest.mark.parametrize(("seconds", "swept"), [(0, 0), (1, 50), (2, 100), (3, 101)])
def test_a_sweep_begins_no_round_when_its_time_is_over(world: World, seconds: float, swept: int) -> None:
    for _ in range(2 * sweeps.LIMIT + 1):
        world.start(node("a"), shard="07")
    moments = iter(range(100))
    # The clock is read once before the first round, which is moment 0, and once before each round.
    assert world.sweep(clock=lambda: next(moments), seconds=seconds + 0.5).run().instances == swept
    if seconds:
        again = iter([0, *(seconds for _ in range(9))])
        assert world.sweep(clock=lambda: next(again), seconds=seconds).run().instances == 0


@pytest.mark.parametrize(("seconds", "swept"), [(44.9, 1), (45, 0)])
def test_a_sweep_ends_well_before_its_function_does(world: World, seconds: float, swept: int) -> None:
    world.start(node("a"))
    moments = iter([0, *[seconds] * 9])
    assert world.sweep(clock=lambda: next(moments)).run().instances == swept


def test_a_store_that_does_not_answer_ends_the_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def overdue(*, limit: int) -> list[str]:
        raise ConnectionError

    monkeypatch.setattr(world.store, "overdue", overdue)
    with pytest.raises(ConnectionError):
        world.sweep().run()


# Dead letters.


def letter(ref: Ref, *nodes: Ready) -> str:
    return encode(Message(ref, nodes))


def test_a_dead_letter_costs_an_attempt_and_the_next_one_runs_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ref = world.start(node("a"), node("b"))
    world.scheduler.run(ref.instance_id)
    world.sent()
    answer = world.letters.handle(sqs_event([letter(ref, Ready(0, 1), Ready(1, 1))]))
    assert answer == {"batchItemFailures": []}
    assert world.sent() == [Ready(0, 2, alone=True), Ready(1, 2, alone=True)]
    assert world.diary.entries == [("dead_letters", 1)]
    fields = [(r.levelname, r.message, r.why, r.node, r.attempt) for r in caplog.records]  # type: ignore[attr-defined]
    why = "no worker could take its message"
    assert fields == [("WARNING", "node sent again", why, name, 1) for name in ("a", "b")]
    assert {(r.instance_id, r.execution_id) for r in caplog.records} == {(ref.instance_id, ref.execution_id)}  # type: ignore[attr-defined]
    world.clock.advance(RESEND_MS - 1)
    assert world.scheduler.run(ref.instance_id) == Pass(0, 0)  # no other process sends it before


def test_a_node_that_ended_as_dead_letters_too_often_is_failed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ref = world.start(node("a"), node("b", "a"), webhook={"url": "https://example.org"})
    for attempt in (1, 2):
        world.letters.handle(sqs_event([letter(ref, Ready(0, attempt))]))
    assert world.sent() == [Ready(0, 2, alone=True)]
    snapshot = world.store.snapshot(ref.instance_id)
    assert snapshot is not None and snapshot.status == "FAILED"
    assert json.loads(snapshot.errors[0])["type"] == "DeadLettered"
    assert world.states(ref) == {0: "F", 1: "S"}
    assert world.diary.entries == [("dead_letters", 1), ("lost", "handler_of_a"), ("dead_letters", 1)]
    again = ("WARNING", "node sent again")
    assert lines(caplog) == [again, ("ERROR", "node failed"), ("INFO", "instance finished")]
    assert world.told == [ref.instance_id]


def test_a_dead_letter_that_ends_its_instance_has_the_webhook_called_at_once(world: World) -> None:
    ref = world.start(node("a"), webhook={"url": "https://example.org"})
    for attempt in (1, 2):
        world.letters.handle(sqs_event([letter(ref, Ready(0, attempt))]))
    assert world.store.status(ref.instance_id) == "FAILED" and world.told == [ref.instance_id]


def test_a_dead_letter_of_what_runs_or_ran_changes_nothing(world: World) -> None:
    ref = world.start(node("a"), node("b"))
    world.claim(ref, 0)
    before = world.states(ref)
    world.letters.handle(sqs_event([letter(ref, Ready(0, 1), Ready(1, 7))]))
    assert world.states(ref) == before and world.sent() == []


def test_what_cannot_be_dealt_with_stays_in_the_queue_and_rubbish_does_not(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ref = world.start(node("a"))
    broken = world.start(node("a"))
    break_workflow(world, broken)
    world.letters._definitions = Definitions(world.store)
    rubbish = "r" * 2000
    beyond = [letter(ref, Ready(1, 1)), letter(ref, Ready(10**6, 1))]
    answer = world.letters.handle(sqs_event([rubbish, letter(broken, Ready(0, 1)), *beyond, letter(ref, Ready(0, 1))]))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert world.diary.entries == [("dead_letters", 4)]
    assert world.sent() == [Ready(0, 2, alone=True)]
    dropped = [record for record in caplog.records if record.message == "dead letter dropped"]
    assert len(dropped) == 3 and dropped[0].body == rubbish[:500]  # type: ignore[attr-defined]
    assert "number 1" in dropped[1].error  # type: ignore[attr-defined]
    assert ("ERROR", "dead letter kept") in lines(caplog)


def test_a_dead_letter_of_an_instance_without_its_workflow_ends_it(world: World) -> None:
    ref = world.start(node("a"))
    world.store.forget_workflow(ref.execution_id)
    world.letters._definitions = Definitions(world.store)
    assert world.letters.handle(sqs_event([letter(ref, Ready(0, 1))])) == {"batchItemFailures": []}
    assert world.store.status(ref.instance_id) == "FAILED"
