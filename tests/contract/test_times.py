"""The times and numbers that transitions write, exact to the millisecond, by a clock that stands still."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from chalicelib import ids
from chalicelib.core.calls import Children, Dispatching, Done, Hop, RerunNodes, Terms, Unsettled, Wanted
from chalicelib.core.records import Archived, Event, Record, Snapshot
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.states import NodeState
from chalicelib.store import keys
from chalicelib.store.catalogue import RedisCatalogue
from tests.support.virtual_clock import ClockedStore, VirtualClock

RESEND, LEASE = 30_000, 10_000
RETENTION = 600_000  # of tests.support.virtual_clock.ClockedStore
ASIDE = 90 * 86_400_000  # lua/lib/history.lua
SENT = Dispatching(taken=True, resend_ms=RESEND)
LATER = Dispatching(taken=False, resend_ms=RESEND)
ERROR = json.dumps({"type": "Boom", "message": "it broke"}).encode()


class Bench:
    """A store with a virtual clock, and its instances as they are in Redis."""

    def __init__(self, client: redis.Redis, clock: VirtualClock) -> None:
        self.client, self.clock = client, clock
        self.store = ClockedStore(client, clock)

    def create(
        self,
        *roots: int,
        total: int | None = None,
        by: Dispatching = SENT,
        cursor: int = -1,
        terms: Terms | None = None,
    ) -> str:
        ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
        items = Children([value for root in roots for value in (root, 1)], cursor)
        self.store.create(ref, total=total or len(roots), params=b"{}", roots=items, by=by, terms=terms or Terms())
        return ref.instance_id

    def claim(self, id: str, *nodes: int, attempt: int = 1, owner: str = "w") -> list[Outcome]:
        wanted = [Wanted(node, attempt, ()) for node in nodes]
        return [one.outcome for one in self.store.claim(id, owner=owner, lease_ms=LEASE, wanted=wanted).nodes]

    def complete(
        self, id: str, node: int, *children: int, attempt: int = 1, cursor: int = -1, **more: object
    ) -> object:
        done = [Done(node, attempt, b"1", Children(list(children), cursor))]
        return self.store.complete(id, done=done, by=more.pop("by", SENT), **more)  # type: ignore[arg-type]

    def fail(
        self, id: str, node: int, *descendants: int, attempt: int = 1, delay: int | None = None, **more: int
    ) -> Outcome:
        return self.store.fail(
            id,
            node=node,
            attempt=attempt,
            error=ERROR,
            delay_ms=delay,
            look_ms=more.get("look", RESEND),
            descendants=Children(list(descendants), more.get("cursor", -1)),
        ).outcome

    def take(self, id: str, limit: int = 100, max_lost: int = 2) -> tuple[tuple[Ready, ...], tuple[Unsettled, ...]]:
        due = self.store.take_due(id, limit=limit, resend_ms=RESEND, max_lost=max_lost)
        return due.send, due.settle

    def record(self, id: str, node: int) -> str | None:
        raw: Any = self.client.hget(keys.instance(id)[1], node)
        return None if raw is None else str(raw, "utf-8")

    def due(self, id: str) -> dict[int, int]:
        """Return the `due` entries, in ms from now."""
        found: Any = self.client.zrange(keys.instance(id)[5], 0, -1, withscores=True)
        return {int(node): round(score) - self.clock.now for node, score in found}

    def index(self, id: str) -> int | None:
        score = self.client.zscore(keys.index(id[-2:]), id)
        return None if score is None else round(score) - self.clock.now

    def meta(self, id: str, *names: str) -> list[str | None]:
        found: list[Any] = self.client.hmget(keys.meta(id), names)
        return [value and value.decode() for value in found]

    def ttl(self, id: str) -> dict[str, int]:
        """Return the times to live of META, NODES ... in ms, for keys that exist and have one."""
        names = ["meta", "nodes", "waits", "results", "errors", "due", "done", "history", "archive"]
        found = {name: self.client.pttl(key) for name, key in zip(names, keys.instance(id), strict=False)}
        return {name: left for name, left in found.items() if left > 0}


@pytest.fixture
def bench(valkey_url: str) -> Iterator[Bench]:
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        with VirtualClock(client) as clock:
            yield Bench(client, clock)
        client.flushall()


def about(left: int, whole: int) -> bool:
    """Allow for the server's own clock, by which times to live run."""
    return whole - 20_000 < left <= whole


def test_roots_are_due_again_after_a_resend_where_they_are_sent_and_at_once_where_not(bench: Bench) -> None:
    now = bench.clock.now
    sent, later = bench.create(0, 1), bench.create(0, 1, by=LATER)
    assert bench.due(sent) == {0: RESEND, 1: RESEND} and bench.index(sent) == RESEND
    assert bench.due(later) == {0: 0, 1: 0} and bench.index(later) == 0
    assert bench.record(sent, 0) == f"Q:1:0:0:1:-1:{now}:::" and bench.record(later, 0) == f"Q:1:0:0:0:-1:{now}:::"
    assert bench.meta(sent, "status", "total", "running", "completed", "failed", "skipped", "calls", "created_at") == [
        *("PENDING", "2", "0", "0", "0", "0", "1", str(now))
    ]


def test_an_instance_begins_with_these_fields_in_this_order(bench: Bench) -> None:
    """A small hash is searched from its beginning, where the fields are that each transition reads and writes."""
    id = bench.create(0)
    counts = {"running": "0", "completed": "0", "failed": "0", "skipped": "0", "calls": "1", "messages": "0"}
    raw: dict[Any, Any] = bench.client.hgetall(keys.meta(id))
    found = {name.decode(): value.decode() for name, value in raw.items()}
    execution_id, created_at = found["execution_id"], str(bench.clock.now)
    rest = {"retention_ms": str(RETENTION), "schema": "1", "cancelled": "0", "execution_id": execution_id}
    expected = {"status": "PENDING", "total": "1", **counts, **rest, "created_at": created_at, "params": "{}"}
    assert list(found.items()) == list(expected.items())


def test_the_trigger_owes_its_other_roots(bench: Bench) -> None:
    id = bench.create(0, 1, total=4, cursor=2)
    assert bench.due(id) == {0: RESEND, 1: RESEND, -1: RESEND}
    bench.clock.advance(RESEND)
    assert bench.take(id)[1] == (Unsettled(-1, 2, failed=False),)
    assert bench.due(id)[-1] == RESEND
    settled = bench.store.settle(id, node=-1, start=2, children=Children([2, 1], 3), by=SENT)
    assert settled.ready == (Ready(2, 1),) and bench.due(id)[-1] == RESEND
    bench.clock.advance(5)
    settled = bench.store.settle(id, node=-1, start=3, children=Children([3, 1]), by=LATER)
    assert settled.ready == (Ready(3, 1),)
    due = bench.due(id)
    assert -1 not in due and (due[2], due[3]) == (RESEND - 5, 0) and bench.record(id, -1) is None


def test_a_node_is_looked_at_ever_more_rarely_while_nobody_takes_it(bench: Bench) -> None:
    id = bench.create(0, by=LATER)
    waits = []
    for sends in range(1, 10):
        assert bench.take(id)[0] == (Ready(0, 1),)
        waits.append(bench.due(id)[0] // RESEND)
        assert bench.index(id) == bench.due(id)[0]
        assert (bench.record(id, 0) or "").split(":")[:6] == ["Q", "1", "0", "0", str(sends), "-1"]
        bench.clock.advance(bench.due(id)[0])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    again = bench.store.history(id)
    assert [event.event for event in again] == ["sent again"] * 8  # it was not sent before
    assert (again[0].node, again[0].attempt, again[0].owner, again[0].started) == (0, 1, "", None)


def test_a_claim_has_its_lease_and_says_how_long_its_nodes_were_ready(bench: Bench) -> None:
    created = bench.clock.now
    id = bench.create(0, 1, 2)
    started = bench.clock.advance(700)
    answer = bench.store.claim(id, owner="w", lease_ms=LEASE, wanted=[Wanted(0, 1, ())])
    assert answer.waited_ms == 700 and answer.epoch == 1 and answer.params == b"{}"
    assert bench.due(id) == {0: LEASE, 1: RESEND - 700, 2: RESEND - 700} and bench.index(id) == LEASE
    assert bench.record(id, 0) == f"R:1:0:0:1:-1:{created}:{started}::w"
    assert bench.meta(id, "status", "running", "started_at", "messages", "calls") == [
        *("RUNNING", "1", str(started), "1", "2")
    ]
    bench.clock.advance(300)
    answer = bench.store.claim(id, owner="w", lease_ms=LEASE, wanted=[Wanted(0, 1, ()), Wanted(1, 1, ())])
    assert answer.waited_ms == 1000  # of the node that is claimed now
    assert bench.due(id)[0] == LEASE  # its owner asks again
    assert bench.meta(id, "running", "started_at", "messages") == ["2", str(started), "2"]
    answer = bench.store.claim(id, owner="x", lease_ms=LEASE, wanted=[Wanted(0, 1, ()), Wanted(9, 1, ())])
    assert answer.waited_ms is None and bench.due(id)[0] == LEASE
    assert [one.outcome for one in answer.nodes] == [Outcome.RUNNING, Outcome.SUPERSEDED]


def test_a_node_that_failed_before_does_not_count_as_waiting(bench: Bench) -> None:
    id = bench.create(0)
    bench.claim(id, 0)
    bench.fail(id, 0, delay=100, look=RESEND)
    bench.clock.advance(5000)
    answer = bench.store.claim(id, owner="w", lease_ms=LEASE, wanted=[Wanted(0, 2, ())])
    assert answer.waited_ms is None and answer.nodes[0].failures == 1


def test_a_lease_is_extended_from_now_on(bench: Bench) -> None:
    id = bench.create(0, 1)
    bench.claim(id, 0)
    bench.clock.advance(LEASE - 1)
    assert bench.store.extend(id, node=0, attempt=1, lease_ms=LEASE) is Outcome.EXTENDED
    assert bench.due(id) == {0: LEASE, 1: RESEND - LEASE + 1} and bench.index(id) == LEASE
    before = bench.record(id, 0)
    assert bench.store.extend(id, node=0, attempt=2, lease_ms=LEASE) is Outcome.SUPERSEDED
    assert bench.store.extend(id, node=1, attempt=1, lease_ms=LEASE) is Outcome.SUPERSEDED
    assert bench.store.extend(id, node=7, attempt=1, lease_ms=LEASE) is Outcome.SUPERSEDED
    assert bench.record(id, 0) == before


def test_a_lost_lease_is_the_next_attempt_and_is_in_the_history(bench: Bench) -> None:
    created = bench.clock.now
    id = bench.create(0)
    started = bench.clock.advance(10)
    bench.claim(id, 0)
    bench.clock.advance(LEASE - 1)
    assert bench.take(id) == ((), ())
    lost = bench.clock.advance(1)
    due = bench.store.take_due(id, limit=100, resend_ms=RESEND, max_lost=2)
    assert (due.send, due.late_ms, due.more, due.status) == ((Ready(0, 2, alone=True),), 0, False, "RUNNING")
    assert bench.record(id, 0) == f"Q:2:0:1:1:-1:{lost}:::" and bench.due(id) == {0: RESEND}
    assert bench.meta(id, "running") == ["0"]
    [event] = bench.store.history(id)
    assert replace_reason(event) == Event(
        at=lost, event="lost", node=0, attempt=1, owner="w", queued=created, started=started
    )
    assert event.reason is not None and event.reason.startswith("WorkerLost: ")
    bench.clock.advance(RESEND + 7)
    assert bench.store.take_due(id, limit=1, resend_ms=RESEND, max_lost=2).late_ms == 7
    bench.claim(id, 0, attempt=2)
    bench.clock.advance(LEASE)
    assert bench.take(id)[1] == (Unsettled(0, 0, failed=True),)
    assert bench.store.status(id) == "FAILED"


def test_a_node_whose_failure_is_ignored_unblocks_its_children_when_it_was_lost_too_often(bench: Bench) -> None:
    id = bench.create(0, total=2, terms=Terms(ignores=(0,)))
    bench.claim(id, 0)
    bench.clock.advance(LEASE)
    assert bench.take(id, max_lost=1) == ((), (Unsettled(0, 0, failed=False),))
    assert bench.store.settle(id, node=0, start=0, children=Children([1, 1]), by=SENT).ready == (Ready(1, 1),)
    bench.claim(id, 1)
    bench.complete(id, 1)
    assert bench.meta(id, "status", "failed", "ignored", "skipped") == ["COMPLETED", "1", "1", "0"]


def replace_reason(event: Event) -> Event:
    return Event(event.at, event.event, event.node, event.attempt, event.owner, event.queued, event.started)


def test_a_retry_waits_for_its_delay_and_is_sent_by_who_failed_it_where_that_is_short(bench: Bench) -> None:
    id = bench.create(0, 1)
    bench.claim(id, 0, 1)
    failed = bench.clock.advance(50)
    assert bench.fail(id, 0, delay=100, look=100 + RESEND) is Outcome.RETRY
    assert bench.fail(id, 1, delay=900_001, look=900_001) is Outcome.RETRY
    assert bench.record(id, 0) == f"Q:2:1:0:1:-1:{failed}:::"  # sent
    assert bench.record(id, 1) == f"Q:2:1:0:0:-1:{failed}:::"  # the sweep will send it
    assert bench.due(id) == {0: 100 + RESEND, 1: 900_001} and bench.index(id) == 100 + RESEND
    assert bench.meta(id, "running", "failed") == ["0", "0"]
    events = bench.store.history(id)
    assert [(e.event, e.node, e.attempt, e.owner, e.at, e.started, e.reason) for e in events] == [
        ("failed", node, 1, "w", failed, failed - 50, "Boom: it broke") for node in (0, 1)
    ]


def test_a_final_failure_owes_what_is_behind_it(bench: Bench) -> None:
    id = bench.create(0, 1, total=5)
    bench.claim(id, 0)
    failed = bench.clock.advance(50)
    assert bench.fail(id, 0, 2, cursor=1) is Outcome.FAILED
    assert bench.due(id) == {0: RESEND, 1: RESEND - 50}
    assert (bench.record(id, 0) or "").startswith("F:1:1:0:1:1:")
    assert bench.record(id, 2) == f"S:0:0:0:0:-1:::{failed}:"
    assert bench.meta(id, "failed", "skipped", "running", "error_node") == ["1", "1", "0", "0"]
    bench.clock.advance(RESEND)
    assert bench.take(id)[1] == (Unsettled(0, 1, failed=True),)
    assert bench.due(id)[0] == RESEND
    bench.store.settle(id, node=0, start=1, children=Children([2, 3], 3), by=SENT)
    assert bench.meta(id, "skipped") == ["2"] and bench.due(id)[0] == RESEND
    bench.store.settle(id, node=0, start=3, children=Children([4]), by=SENT)
    assert bench.meta(id, "skipped") == ["3"] and 0 not in bench.due(id)


def test_a_completion_owes_the_children_that_it_did_not_name(bench: Bench) -> None:
    id = bench.create(0, total=4)
    bench.claim(id, 0)
    now = bench.clock.advance(20)
    bench.complete(id, 0, 1, 1, cursor=1)
    assert bench.due(id) == {0: RESEND, 1: RESEND}
    assert (bench.record(id, 0) or "").split(":")[:6] == ["C", "1", "0", "0", "1", "1"]
    assert (bench.record(id, 0) or "").split(":")[8] == str(now)
    assert bench.record(id, 1) == f"Q:1:0:0:1:-1:{now}:::"
    settled = bench.store.settle(id, node=0, start=1, children=Children([2, 2, 3, 1]), by=LATER)
    assert settled.ready == (Ready(3, 1),)
    assert bench.due(id) == {1: RESEND, 3: 0} and bench.record(id, 2) is None
    other = bench.create(0, total=2)
    bench.claim(other, 0)
    bench.complete(other, 0, cursor=0)
    assert bench.due(other) == {0: RESEND}


def test_children_that_a_worker_runs_on_with_have_its_lease(bench: Bench) -> None:
    id = bench.create(0, total=5)
    bench.claim(id, 0)
    now = bench.clock.advance(20)
    hop = Hop("w", LEASE, 5, {1: 2, 2: 3, 3: 1, 4: 0})
    done = bench.complete(id, 0, 1, 1, 2, 1, 3, 1, 4, 1, hop=hop)
    assert (done.claimed, done.ready) == ((1, 2), (Ready(3, 1), Ready(4, 1)))  # type: ignore[attr-defined]
    assert bench.due(id) == {1: LEASE, 2: LEASE, 3: RESEND, 4: RESEND} and bench.index(id) == LEASE
    assert bench.record(id, 1) == f"R:1:0:0:0:-1:{now}:{now}::w"
    assert bench.meta(id, "running", "completed", "status") == ["2", "1", "RUNNING"]


def test_an_end_leaves_times_to_live_and_a_look_after_them(bench: Bench) -> None:
    id = bench.create(0)
    bench.claim(id, 0)
    assert bench.ttl(id) == {} and bench.meta(id, "schema") == ["1"]  # any release may go on with it
    ended = bench.clock.advance(20)
    bench.complete(id, 0)
    assert bench.meta(id, "status", "finished_at", "calls", "owes") == ["COMPLETED", str(ended), "3", None]
    ttl = bench.ttl(id)
    assert set(ttl) == {"meta", "nodes", "results", "done"} and all(about(left, RETENTION) for left in ttl.values())
    assert bench.index(id) == RETENTION + 1000
    assert bench.store.take_due(id, limit=1, resend_ms=RESEND, max_lost=2).outcome is Outcome.CLOSED
    assert bench.index(id) == RETENTION + 1000


def test_one_that_owes_its_webhook_is_looked_at_until_it_does_not(bench: Bench) -> None:
    id = bench.create(0, terms=Terms(webhook=True))
    bench.claim(id, 0)
    bench.complete(id, 0)
    assert bench.meta(id, "owes") == ["1"] and bench.index(id) == 0
    assert bench.store.take_due(id, limit=1, resend_ms=RESEND, max_lost=2).outcome is Outcome.OUTBOX
    assert bench.index(id) == RESEND
    bench.clock.advance(500)
    assert bench.store.clear_outbox(id, epoch=2) is Outcome.SUPERSEDED and bench.meta(id, "owes") == ["1"]
    assert bench.store.clear_outbox(id, epoch=1) is Outcome.CLEARED and bench.meta(id, "owes") == [None]
    assert bench.index(id) == RETENTION + 1000 - 500
    assert bench.store.clear_outbox(id, epoch=1) is Outcome.SUPERSEDED


def test_history_and_archive_outlive_their_instance(bench: Bench) -> None:
    id = bench.create(0)
    bench.claim(id, 0)
    assert bench.store.offload(id, node=0, attempt=1) is Outcome.OPEN
    assert about(bench.ttl(id)["archive"], ASIDE + RETENTION)
    bench.store.pause(id)
    assert about(bench.ttl(id)["history"], ASIDE + RETENTION)
    assert bench.meta(id, "schema") == ["2"]  # the schema that brought the pause, and results stored elsewhere


def test_a_time_limit_ends_an_instance_when_it_is_over_and_not_before(bench: Bench) -> None:
    id = bench.create(0, terms=Terms(timeout_ms=5000))
    assert bench.due(id) == {-2: 5000, 0: RESEND} and bench.index(id) == 5000
    bench.claim(id, 0)
    bench.clock.advance(4999)
    assert bench.take(id) == ((), ()) and bench.store.status(id) == "RUNNING"
    ended = bench.clock.advance(1)
    due = bench.store.take_due(id, limit=1, resend_ms=RESEND, max_lost=2)
    assert (due.outcome, due.status, due.late_ms) == (Outcome.CLOSED, "FAILED", 0)
    assert bench.meta(id, "status", "finished_at", "running", "cancelled") == ["FAILED", str(ended), "0", "1"]
    [event] = bench.store.history(id)
    assert (event.event, event.node, event.at) == ("cut off", None, ended)
    assert event.reason is not None and event.reason.startswith("TimedOut: ")


def test_no_more_than_the_limit_is_handed_out_and_the_rest_is_said_to_be_due(bench: Bench) -> None:
    id = bench.create(*range(5), by=LATER)
    for limit, sent, more in ((2, 2, True), (2, 2, True), (1, 1, False), (1, 0, False)):
        due = bench.store.take_due(id, limit=limit, resend_ms=RESEND, max_lost=2)
        assert (len(due.send), due.more) == (sent, more)


def test_what_is_held_while_paused_is_due_when_it_is_resumed(bench: Bench) -> None:
    id = bench.create(0, 1, 2, by=LATER)
    bench.claim(id, 1)
    bench.store.pause(id)
    assert bench.take(id) == ((), ())
    assert bench.claim(id, 0) == [Outcome.PAUSED]
    far = 9 * 10**15 - bench.clock.now
    assert bench.due(id) == {0: far, 1: LEASE, 2: far} and bench.index(id) == LEASE
    bench.clock.advance(LEASE)
    assert bench.take(id) == ((), ())  # the lease is over: the next attempt waits for the resumption, too
    assert (bench.record(id, 1) or "").split(":")[:5] == ["Q", "2", "0", "1", "0"]
    assert set(bench.due(id).values()) == {9 * 10**15 - bench.clock.now}
    resumed = bench.clock.advance(5)
    assert bench.store.resume(id) is Outcome.RESUMED
    assert bench.due(id) == {0: 0, 1: 0, 2: 0} and bench.index(id) == 0
    assert [(e.event, e.at) for e in bench.store.history(id)][-1] == ("resumed", resumed)
    assert sorted(ready.node for ready in bench.take(id)[0]) == [0, 1, 2]


def test_children_of_a_paused_instance_are_held_and_nobody_is_told(bench: Bench) -> None:
    id = bench.create(0, total=3)
    bench.claim(id, 0)
    bench.store.pause(id)
    done = bench.complete(id, 0, 1, 1, 2, 1, hop=Hop("w", LEASE, 9, {1: 1}))
    assert done.claimed == done.ready == ()  # type: ignore[attr-defined]
    assert set(bench.due(id).values()) == {9 * 10**15 - bench.clock.now}
    assert [(bench.record(id, node) or "").split(":")[:5] for node in (1, 2)] == [["Q", "1", "0", "0", "0"]] * 2


def test_a_rerun_begins_where_nothing_was(bench: Bench) -> None:
    id = bench.create(0, 1, total=3, terms=Terms(timeout_ms=50_000))
    bench.claim(id, 0, 1)
    bench.complete(id, 0)
    bench.fail(id, 1, 2)
    assert bench.store.status(id) == "FAILED"
    now = bench.clock.advance(40)
    rerun_nodes = RerunNodes(ready=[1], waiting={2: 1}, first=5)
    assert bench.store.rerun(id, epoch=1, nodes=rerun_nodes, params=b'{"x":1}', reason="why", by=SENT) is Outcome.RERUN
    assert bench.record(id, 1) == f"Q:5:0:0:1:-1:{now}:::" and bench.record(id, 2) is None
    assert bench.due(id) == {-2: 50_000, 1: RESEND} and bench.index(id) == RESEND
    assert bench.meta(id, "status", "completed", "failed", "skipped", "running", "epoch", "params", "first") == [
        *("PENDING", "1", "0", "0", "0", "2", '{"x":1}', "5")
    ]
    assert bench.meta(id, "started_at", "finished_at", "error", "error_node", "owes", "paused") == [None] * 6
    assert set(bench.ttl(id)) == {"archive", "history"}
    event = bench.store.history(id)[-1]
    assert (event.at, event.event, event.epoch, event.reason) == (now, "rerun", 2, "why")
    assert bench.client.exists(keys.done(id)) == 0
    assert bench.store.rerun(id, epoch=2, nodes=rerun_nodes, params=None, reason="", by=SENT) is Outcome.LIVE
    later = bench.create(0)
    bench.claim(later, 0)
    bench.complete(later, 0)
    only = RerunNodes(ready=[0], waiting={}, first=2)
    assert bench.store.rerun(later, epoch=2, nodes=only, params=None, reason="", by=LATER) is Outcome.SUPERSEDED
    assert bench.store.rerun(later, epoch=1, nodes=only, params=None, reason="", by=LATER) is Outcome.RERUN
    assert bench.due(later) == {0: 0} and bench.meta(later, "params") == ["{}"]
    assert (bench.record(later, 0) or "").startswith("Q:2:0:0:0:-1:")


def test_each_rerun_begins_the_next_epoch_and_owes_nothing_of_the_last_one(bench: Bench) -> None:
    id = bench.create(0, terms=Terms(webhook=True))
    for epoch in (1, 2, 3):
        bench.claim(id, 0, attempt=epoch)
        assert bench.meta(id, "owes") == [None]
        bench.complete(id, 0, attempt=epoch)
        assert bench.meta(id, "status", "epoch", "owes") == ["COMPLETED", str(epoch) if epoch > 1 else None, "1"]
        nodes = RerunNodes(ready=[0], waiting={}, first=epoch + 1)
        rerun = functools.partial(bench.store.rerun, id, nodes=nodes, params=None, reason="", by=SENT)
        assert rerun(epoch=epoch + 1) is Outcome.SUPERSEDED
        assert rerun(epoch=epoch) is Outcome.RERUN


def test_a_failure_is_no_longer_ignored_when_its_node_was_run_again(bench: Bench) -> None:
    """Two roots, of which the failure of the first one is ignored. In the second epoch only the other one fails."""
    id = bench.create(0, 1, terms=Terms(ignores=(0,)))
    bench.claim(id, 0, 1)
    assert bench.fail(id, 0) is bench.fail(id, 1) is Outcome.FAILED
    assert bench.meta(id, "status", "failed", "ignored") == ["FAILED", "2", "1"]
    both = RerunNodes(ready=[0, 1], waiting={}, first=2)
    assert bench.store.rerun(id, epoch=1, nodes=both, params=None, reason="", by=SENT) is Outcome.RERUN
    assert bench.meta(id, "failed", "ignored") == ["0", "0"]
    bench.claim(id, 0, 1, attempt=2)
    bench.complete(id, 0, attempt=2)
    bench.fail(id, 1, attempt=2)
    assert bench.meta(id, "status", "failed", "ignored") == ["FAILED", "1", "0"]


def test_calls_are_counted_from_none_where_an_older_release_made_the_instance(bench: Bench) -> None:
    id = bench.create(0)
    bench.client.hdel(keys.meta(id), "calls")
    bench.claim(id, 0)
    assert bench.meta(id, "calls") == ["1"]
    bench.complete(id, 0)
    bench.client.hdel(keys.meta(id), "calls")
    again = RerunNodes(ready=[0], waiting={}, first=2)
    assert bench.store.rerun(id, epoch=1, nodes=again, params=None, reason="", by=SENT) is Outcome.RERUN
    assert bench.meta(id, "calls") == ["1"]


def test_what_stays_in_a_rerun_owes_nothing_any_more(bench: Bench) -> None:
    id = bench.create(0, 1, total=600)
    bench.claim(id, 0, 1)
    bench.complete(id, 0, 2, 1, cursor=500)
    before = bench.record(id, 0) or ""
    assert before.split(":")[5] == "500"
    bench.store.end(id, status="CANCELLED", error=ERROR)
    rerun_nodes = RerunNodes(ready=[1, 2], waiting={}, first=2, owing=[0])
    assert bench.store.rerun(id, epoch=1, nodes=rerun_nodes, params=None, reason="", by=SENT) is Outcome.RERUN
    assert bench.record(id, 0) == before.replace(":500:", ":-1:")
    assert set(bench.due(id)) == {1, 2}


def test_the_first_words_of_an_error_are_kept_in_the_history(bench: Bench) -> None:
    for error, reason in (
        (ERROR, "Boom: it broke"),
        (json.dumps({"type": "T", "message": "m" * 201}).encode(), f"T: {'m' * 200}"),
        (json.dumps({"message": "m"}).encode(), ": m"),
        (b"no json", None),
        (b'"text"', None),
    ):
        id = bench.create(0)
        bench.store.end(id, status="FAILED", error=error)
        [event] = bench.store.history(id)
        assert (event.event, event.reason) == ("cut off", reason)
        assert bench.meta(id, "error") == [error.decode()]


def test_a_dead_letter_is_sent_by_who_found_it_and_looked_after(bench: Bench) -> None:
    id = bench.create(0)
    now = bench.clock.advance(9)
    lost = bench.store.lose(id, node=0, attempt=1, resend_ms=RESEND, max_lost=2, error=ERROR)
    assert (lost.outcome, lost.status) == (Outcome.RETRY, "PENDING")
    assert bench.record(id, 0) == f"Q:2:0:1:1:-1:{now}:::" and bench.due(id) == {0: RESEND}
    lost = bench.store.lose(id, node=0, attempt=2, resend_ms=RESEND, max_lost=2, error=ERROR)
    assert (lost.outcome, lost.status) == (Outcome.FAILED, "FAILED")


def test_what_is_gone_is_in_no_index(bench: Bench) -> None:
    id = bench.create(0)
    bench.claim(id, 0)
    bench.complete(id, 0)
    bench.client.delete(*keys.instance(id)[:7])
    assert bench.store.take_due(id, limit=1, resend_ms=RESEND, max_lost=2).outcome is Outcome.GONE
    assert bench.index(id) is None and bench.client.zcard(keys.listing(id[-2:])) == 0
    stowed = bench.create(0)
    bench.claim(stowed, 0)
    bench.store.offload(stowed, node=0, attempt=1)
    bench.complete(stowed, 0)
    bench.client.delete(*keys.instance(stowed)[:7])
    assert bench.store.take_due(stowed, limit=1, resend_ms=RESEND, max_lost=2).outcome is Outcome.LEFT
    assert bench.index(stowed) == RESEND and about(bench.ttl(stowed)["archive"], ASIDE)
    assert bench.store.forget(stowed, emptied=True) is Outcome.GONE
    assert bench.index(stowed) is None and bench.client.exists(*keys.instance(stowed)[:9]) == 0


def test_a_picture_has_all_that_is_known(bench: Bench) -> None:
    created = bench.clock.now
    terms = Terms(name="Nächtlich", tags={"team": "a"}, webhook=True)
    id = bench.create(0, 1, total=3, terms=terms)
    execution_id = bench.store.execution_of(id)
    assert execution_id is not None
    started = bench.clock.advance(10)
    bench.claim(id, 0, 1)
    failed = bench.clock.advance(5)
    bench.fail(id, 0, 2)
    records = {
        0: Record(NodeState.FAILED, 1, 1, 0, 1, -1, created, started, failed, "w"),
        1: Record(NodeState.RUNNING, 1, 0, 0, 1, -1, created, started, None, "w"),
        2: Record(NodeState.SKIPPED, 0, 0, 0, 0, -1, None, None, failed),
    }
    counts = {"total": 3, "pending": 0, "running": 1, "completed": 0, "failed": 1, "skipped": 1, "cancelled": 0}
    expected = Snapshot(
        instance_id=id,
        execution_id=execution_id,
        status="RUNNING",
        counts=counts,
        created_at=created,
        started_at=started,
        finished_at=None,
        error=None,
        error_node=0,
        name="Nächtlich",
        tags={"team": "a"},
        calls=3,
        messages=1,
        records=records,
        errors={0: ERROR},
    )
    assert bench.store.snapshot(id) == expected
    assert bench.store.snapshot(id, whole=False) == replace(expected, records={})
    [listed] = RedisCatalogue(bench.client).instances(statuses=["RUNNING"], before=None, limit=5)
    assert (listed.counts, listed.created_at, listed.started_at, listed.finished_at) == (counts, created, started, None)
    assert (listed.name, listed.tags, listed.epoch, listed.paused) == ("Nächtlich", {"team": "a"}, 1, False)
    bench.store.pause(id)
    ended = bench.clock.advance(5)
    bench.store.end(id, status="CANCELLED", error=ERROR)
    after = bench.store.snapshot(id)
    assert after is not None
    assert (after.status, after.finished_at, after.error, after.paused) == ("CANCELLED", ended, ERROR, True)
    assert after.counts == {**counts, "running": 0, "cancelled": 1}
    rerun_nodes = RerunNodes(ready=[0], waiting={}, first=7)
    bench.store.rerun(id, epoch=1, nodes=rerun_nodes, params=None, reason="", by=SENT)
    after = bench.store.snapshot(id)
    assert after is not None
    assert (after.epoch, after.paused, after.error, after.error_node, after.started_at) == (2, False, None, None, None)
    assert bench.store.archive(id) == [Archived(1, 0, records[0], None)]
    assert bench.store.snapshot(ids.new(ids.INSTANCE)) is None


def test_an_archived_result_is_what_it_was(bench: Bench) -> None:
    id = bench.create(0)
    bench.claim(id, 0)
    result = b'"with\nlines"'
    bench.store.complete(id, done=[Done(0, 1, result, Children([]))], by=SENT)
    bench.store.rerun(id, epoch=1, nodes=RerunNodes(ready=[0], waiting={}, first=2), params=None, reason="", by=SENT)
    [kept] = bench.store.archive(id)
    assert (kept.epoch, kept.node, kept.result, kept.record.state) == (1, 0, result, NodeState.COMPLETED)


@pytest.mark.parametrize("letter", "PRCFX")
def test_what_is_gone_is_in_no_list_whatever_it_was(bench: Bench, letter: str) -> None:
    gone, stays = (ids.new(ids.INSTANCE)[:-2] + "05" for _ in range(2))
    bench.client.zadd(keys.listing("05"), {f"{letter}{gone}": 0, f"{letter}{stays}": 0})
    assert bench.store.forget(gone) is Outcome.GONE
    assert bench.client.zrange(keys.listing("05"), 0, -1) == [f"{letter}{stays}".encode()]
