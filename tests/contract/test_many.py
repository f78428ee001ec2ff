"""Transitions with longer lists than a command of Redis takes: no entry is missed, and none is processed twice."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib import ids
from chalicelib.core.calls import Children, Dispatching, Done, RerunNodes, Terms, Wanted
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref
from chalicelib.store import keys
from chalicelib.store.connection import connect
from chalicelib.store.redis_store import RedisStore

NOW = Dispatching(taken=False, resend_ms=60_000)
SENT = Dispatching(taken=True, resend_ms=60_000)
BATCH = 1000  # the entries that a loop of the Lua takes at a time
# Two batches and one more: so there is a first, a middle and a last one, each with its neighbours.
COUNTS = [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 1]


@pytest.fixture
def store(valkey_url: str) -> Iterator[RedisStore]:
    client = connect(valkey_url)
    yield RedisStore(client, retention_seconds=60, workflow_retention_seconds=90, idempotency_seconds=30)
    client.close()


def fan(store: RedisStore, count: int, terms: Terms | None = None) -> Ref:
    """Create an instance with so many roots, which are all ready and not sent."""
    ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
    roots = Children([value for node in range(count) for value in (node, 1)])
    outcome, _ = store.create(ref, total=count, params=b"{}", roots=roots, by=NOW, terms=terms or Terms())
    assert outcome is Outcome.CREATED
    return ref


def due(store: RedisStore, ref: Ref) -> list[int]:
    """Return all that is handed out, call by call."""
    found = []
    while True:
        some = store.take_due(ref.instance_id, limit=700, resend_ms=60_000, max_lost=3)
        found += [ready.node for ready in some.send]
        if not some.more:
            return found


@pytest.mark.parametrize("count", COUNTS)
def test_all_that_was_held_is_due_when_the_instance_is_resumed(store: RedisStore, count: int) -> None:
    ref = fan(store, count)
    assert store.pause(ref.instance_id) is Outcome.PAUSED
    assert due(store, ref) == []
    assert store.resume(ref.instance_id) is Outcome.RESUMED
    assert ref.instance_id in store.overdue(limit=1000)
    assert sorted(due(store, ref)) == list(range(count))
    assert due(store, ref) == []
    store.end(ref.instance_id, status="CANCELLED", error=b"")


@pytest.mark.parametrize("count", COUNTS)
def test_every_result_that_a_node_asks_for_comes_with_its_claim(store: RedisStore, count: int) -> None:
    ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
    roots = Children([value for node in range(count) for value in (node, 1)])
    store.create(ref, total=count + 1, params=b"{}", roots=roots, by=SENT)
    for start in range(0, count, 500):
        nodes = range(start, min(start + 500, count))
        store.claim(ref.instance_id, owner="me", lease_ms=60_000, wanted=[Wanted(node, 1, ()) for node in nodes])
        done = [Done(node, 1, b"%d" % node, Children([count, count])) for node in nodes]
        store.complete(ref.instance_id, done=done, by=SENT)
    wanted = [Wanted(count, 1, tuple(range(count)))]
    (claimed,) = store.claim(ref.instance_id, owner="me", lease_ms=60_000, wanted=wanted).nodes
    assert claimed.results == tuple(b"%d" % node for node in range(count))
    store.end(ref.instance_id, status="CANCELLED", error=b"")


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000, 1001, 2001])
def test_every_node_of_a_rerun_begins_anew_and_is_kept_as_it_was(store: RedisStore, count: int) -> None:
    """Half of the nodes can start at once, the others wait for one that stays as it is."""
    ref = fan(store, count + 1)
    for start in range(0, count + 1, 500):
        nodes = range(start, min(start + 500, count + 1))
        store.claim(ref.instance_id, owner="me", lease_ms=60_000, wanted=[Wanted(node, 1, ()) for node in nodes])
        store.complete(ref.instance_id, done=[Done(node, 1, b"%d" % node, Children([])) for node in nodes], by=SENT)
    assert store.status(ref.instance_id) == "COMPLETED"
    ready, waiting = list(range(0, count, 2)), dict.fromkeys(range(1, count, 2), 1)
    rerun_nodes = RerunNodes(ready=ready, waiting=waiting, first=2)
    assert store.rerun(ref.instance_id, epoch=1, nodes=rerun_nodes, params=None, reason="", by=NOW) is Outcome.RERUN
    after = store.snapshot(ref.instance_id)
    assert after is not None
    assert after.counts["completed"] == 1
    assert sorted(after.records) == sorted([*ready, count])
    assert all(after.records[node].attempt == 2 and after.records[node].state == "Q" for node in ready)
    assert store.results(ref.instance_id) == {count: b"%d" % count}
    kept = store.archive(ref.instance_id)
    assert sorted(old.node for old in kept) == list(range(count))
    assert all((old.epoch, old.record.state, old.record.attempt) == (1, "C", 1) for old in kept)
    waits = store._client.hgetall(keys.instance(ref.instance_id)[2])
    assert {int(node): int(parents) for node, parents in waits.items()} == waiting
    assert sorted(due(store, ref)) == ready
    store.end(ref.instance_id, status="CANCELLED", error=b"")


def test_the_newest_thousand_of_a_history_are_kept_and_the_others_counted(store: RedisStore) -> None:
    ref = fan(store, 1)
    for number in range(501):  # two entries each; three are one too many for a thousand
        store.pause(ref.instance_id)
        if number < 500:
            store.resume(ref.instance_id)
    kept = [event.event for event in store.history(ref.instance_id)]
    assert kept == ["resumed", "paused"] * 500
    snapshot = store.snapshot(ref.instance_id)
    assert snapshot is not None and snapshot.forgotten == 1
    store.end(ref.instance_id, status="CANCELLED", error=json.dumps({"type": "T", "message": "why"}).encode())
    kept = [event.event for event in store.history(ref.instance_id)]
    assert kept == ["paused", *["resumed", "paused"] * 499, "cancelled"]
    assert store.history(ref.instance_id)[-1].reason == "T: why"
