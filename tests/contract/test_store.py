"""The transitions, one by one, on every kind of server that the store supports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.core.calls import (
    Children,
    Completion,
    Dispatching,
    Done,
    Hop,
    RerunNodes,
    Transitioned,
    Unsettled,
    Wanted,
)
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.store import keys
from chalicelib.store.connection import connect
from chalicelib.store.redis_store import RedisStore
from tests.support.harness import some
from tests.support.invariants import check_invariants

BY = Dispatching(taken=True, resend_ms=60_000)
LATE = Dispatching(taken=False, resend_ms=60_000)
ERROR = json.dumps({"type": "Boom", "message": "it broke"}).encode()


@pytest.fixture(params=["valkey", "cluster"])
def store(request: pytest.FixtureRequest) -> Iterator[RedisStore]:
    cluster = request.param == "cluster"
    url = request.getfixturevalue("cluster_urls" if cluster else "valkey_url")
    client = connect(url, cluster=cluster)
    yield RedisStore(client, retention_seconds=60, workflow_retention_seconds=90, idempotency_seconds=30)
    client.close()
    if cluster:
        client.disconnect_connection_pools()


def new(store: RedisStore, roots: list[int], total: int, by: Dispatching = BY) -> Ref:
    ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
    items = [value for root in roots for value in (root, 1)]
    outcome, _ = store.create(ref, total=total, params=b'{"p":1}', roots=Children(items), by=by)
    assert outcome is Outcome.CREATED
    return ref


def claim(store: RedisStore, ref: Ref, node: int, attempt: int = 1, owner: str = "me") -> Outcome:
    got = store.claim(ref.instance_id, owner=owner, lease_ms=60_000, wanted=[Wanted(node, attempt, ())])
    check_invariants(store._client, ref.instance_id)
    return got.nodes[0].outcome if got.nodes else got.outcome


def complete(
    store: RedisStore, ref: Ref, node: int, *children: int, attempt: int = 1, hop: bool = False, **more: Any
) -> Completion:
    one = Done(node, attempt, b'"r%d"' % node, Children(list(children), more.get("cursor", -1)))
    costs = dict.fromkeys(children[::2], 1)
    done = store.complete(
        ref.instance_id, done=[one], by=more.get("by", BY), hop=Hop("me", 60_000, 1, costs) if hop else None
    )
    check_invariants(store._client, ref.instance_id)
    return done


def fail(
    store: RedisStore, ref: Ref, node: int, *descendants: int, attempt: int = 1, delay: int | None = None, **more: Any
) -> Transitioned:
    done = store.fail(
        ref.instance_id,
        node=node,
        attempt=attempt,
        error=ERROR,
        delay_ms=delay,
        look_ms=more.get("look", 60_000),
        descendants=Children(list(descendants), more.get("cursor", -1)),
    )
    check_invariants(store._client, ref.instance_id)
    return done


def test_a_chain_by_hops_ends_completed(store: RedisStore) -> None:
    ref = new(store, [0], 3)
    assert claim(store, ref, 0) is Outcome.CLAIMED
    assert complete(store, ref, 0, 1, 1, hop=True).claimed == (1,)
    assert complete(store, ref, 1, 2, 1, hop=True).claimed == (2,)
    assert complete(store, ref, 2).status == "COMPLETED"
    assert store.results(ref.instance_id) == {0: b'"r0"', 1: b'"r1"', 2: b'"r2"'}
    store.wait_terminal(ref.instance_id, 5)


def test_creating_twice_changes_nothing(store: RedisStore) -> None:
    ref = new(store, [0], 1)
    claim(store, ref, 0)
    outcome, _ = store.create(ref, total=1, params=b"{}", roots=Children([0, 1]), by=BY)
    assert outcome is Outcome.EXISTS
    assert some(store.snapshot(ref.instance_id)).records[0].state == "R"


def test_one_claim_wins_and_may_be_repeated_by_its_owner(store: RedisStore) -> None:
    ref = new(store, [0], 1)
    assert claim(store, ref, 0) is Outcome.CLAIMED
    assert claim(store, ref, 0) is Outcome.CLAIMED
    assert claim(store, ref, 0, owner="other") is Outcome.RUNNING
    assert claim(store, ref, 0, attempt=2) is Outcome.SUPERSEDED
    complete(store, ref, 0)
    assert claim(store, ref, 0) is Outcome.CLOSED


def test_a_join_waits_for_its_last_parent(store: RedisStore) -> None:
    ref = new(store, [0, 1], 3)
    claim(store, ref, 0), claim(store, ref, 1)
    assert complete(store, ref, 0, 2, 2).ready == ()
    assert complete(store, ref, 1, 2, 2).ready == (Ready(2, 1),)


def test_a_result_is_committed_once(store: RedisStore) -> None:
    ref = new(store, [0], 2)
    claim(store, ref, 0)
    assert complete(store, ref, 0, 1, 1).outcomes == (Outcome.COMMITTED,)
    assert complete(store, ref, 0, 1, 1).outcomes == (Outcome.REPEATED,)
    assert complete(store, ref, 0, 1, 1, attempt=2).outcomes == (Outcome.SUPERSEDED,)
    assert some(store.snapshot(ref.instance_id)).records[1].state == "Q"


def test_nodes_that_ended_together_are_committed_in_one_call(store: RedisStore) -> None:
    ref = new(store, [0, 1, 2], 7)
    wanted = [Wanted(node, 1, ()) for node in range(3)]
    store.claim(ref.instance_id, owner="me", lease_ms=60_000, wanted=wanted)
    # 0 and 1 unblock 3 between them, 2 unblocks 4, 5 and 6; there is room for a child of 1 and one of 2.
    done = store.complete(
        ref.instance_id,
        done=[
            Done(0, 1, b"0", Children([3, 2])),
            Done(1, 2, b"1", Children([3, 2])),
            Done(2, 1, b"2", Children([4, 1, 5, 1, 6, 1])),
        ],
        by=BY,
        hop=Hop("me", 60_000, 3, {3: 1, 4: 2, 5: 2, 6: 1}),
    )
    assert done.outcomes == (Outcome.COMMITTED, Outcome.SUPERSEDED, Outcome.COMMITTED)
    assert (done.claimed, done.ready) == ((4, 6), (Ready(5, 1),))
    check_invariants(store._client, ref.instance_id)
    late = [Done(1, 1, b"1", Children([3, 2])), Done(4, 1, b"4", Children([]))]
    done = store.complete(ref.instance_id, done=late, by=BY)
    assert (done.outcomes, done.ready) == ((Outcome.COMMITTED, Outcome.COMMITTED), (Ready(3, 1),))
    check_invariants(store._client, ref.instance_id)
    assert store.results(ref.instance_id) == {0: b"0", 1: b"1", 2: b"2", 4: b"4"}


def test_a_join_of_ten_thousand_reads_all_its_results(store: RedisStore) -> None:
    ref = new(store, [0], 1)
    needs = tuple(range(1, 10_001))
    got = store.claim(ref.instance_id, owner="me", lease_ms=60_000, wanted=[Wanted(0, 1, needs)])
    assert got.nodes[0].results == (None,) * 10_000
    store.end(ref.instance_id, status="FAILED", error=ERROR)


def test_an_attempt_that_nobody_claimed_commits_nothing(store: RedisStore) -> None:
    ref = new(store, [0], 1)
    assert complete(store, ref, 0).outcomes == (Outcome.SUPERSEDED,)
    assert store.results(ref.instance_id) == {}


def test_failure_retries_then_fails_and_skips(store: RedisStore) -> None:
    ref = new(store, [0], 3)
    claim(store, ref, 0)
    assert fail(store, ref, 0, delay=5).outcome is Outcome.RETRY
    assert fail(store, ref, 0, delay=5).outcome is Outcome.SUPERSEDED
    assert claim(store, ref, 0, attempt=1) is Outcome.SUPERSEDED
    assert claim(store, ref, 0, attempt=2) is Outcome.CLAIMED
    done = fail(store, ref, 0, 1, 2, attempt=2)
    assert (done.outcome, done.status) == (Outcome.FAILED, "FAILED")
    snapshot = some(store.snapshot(ref.instance_id))
    assert [snapshot.records[node].state for node in range(3)] == ["F", "S", "S"]
    assert snapshot.error_node == 0 and snapshot.errors[0] == ERROR
    assert snapshot.counts["pending"] == 0


def test_a_branch_beside_the_failed_one_goes_on(store: RedisStore) -> None:
    ref = new(store, [0, 1], 3)
    claim(store, ref, 0), claim(store, ref, 1)
    assert fail(store, ref, 0, 2).status == "RUNNING"
    assert complete(store, ref, 1, 2, 2).status == "FAILED"


def test_completing_after_a_failed_attempt_clears_its_error(store: RedisStore) -> None:
    ref = new(store, [0], 1)
    claim(store, ref, 0)
    fail(store, ref, 0, delay=0)
    claim(store, ref, 0, attempt=2)
    complete(store, ref, 0, attempt=2)
    assert some(store.snapshot(ref.instance_id)).errors == {}


def test_due_hands_out_what_nobody_sent_once(store: RedisStore) -> None:
    ref = new(store, [0, 1], 2, LATE)
    due = store.take_due(ref.instance_id, limit=1, resend_ms=60_000, max_lost=3)
    assert due.more and len(due.send) == 1
    second = store.take_due(ref.instance_id, limit=10, resend_ms=60_000, max_lost=3)
    assert not second.more and {due.send[0].node, second.send[0].node} == {0, 1}
    assert store.take_due(ref.instance_id, limit=10, resend_ms=60_000, max_lost=3).send == ()
    check_invariants(store._client, ref.instance_id)


def test_a_lost_lease_is_a_new_attempt_and_too_many_fail_the_node(store: RedisStore) -> None:
    ref = new(store, [0], 2)
    for attempt in (1, 2):
        got = store.claim(ref.instance_id, owner="me", lease_ms=0, wanted=[Wanted(0, attempt, ())])
        assert got.nodes[0].outcome is Outcome.CLAIMED
        assert ref.instance_id in store.overdue(limit=10_000)
        due = store.take_due(ref.instance_id, limit=10, resend_ms=60_000, max_lost=3)
        assert due.send == (Ready(0, attempt + 1, alone=True),)
    assert complete(store, ref, 0, 1, 1, attempt=2).outcomes == (Outcome.SUPERSEDED,)
    store.claim(ref.instance_id, owner="me", lease_ms=0, wanted=[Wanted(0, 3, ())])
    due = store.take_due(ref.instance_id, limit=10, resend_ms=60_000, max_lost=3)
    assert due.settle == (Unsettled(0, 0, failed=True),)
    check_invariants(store._client, ref.instance_id)
    done = store.settle(ref.instance_id, node=0, start=0, children=Children([1]), by=BY)
    assert (done.outcome, done.status) == (Outcome.SETTLED, "FAILED")
    assert json.loads(some(store.snapshot(ref.instance_id)).errors[0])["type"] == "WorkerLost"
    check_invariants(store._client, ref.instance_id)


def test_a_lease_is_extended_only_for_who_holds_it(store: RedisStore) -> None:
    ref = new(store, [0], 1)
    store.claim(ref.instance_id, owner="me", lease_ms=0, wanted=[Wanted(0, 1, ())])
    assert store.extend(ref.instance_id, node=0, attempt=1, lease_ms=60_000) is Outcome.EXTENDED
    assert store.take_due(ref.instance_id, limit=10, resend_ms=60_000, max_lost=3).send == ()
    check_invariants(store._client, ref.instance_id)
    assert store.extend(ref.instance_id, node=0, attempt=2, lease_ms=60_000) is Outcome.SUPERSEDED
    complete(store, ref, 0)
    assert store.extend(ref.instance_id, node=0, attempt=1, lease_ms=60_000) is Outcome.CLOSED


def test_children_in_slices_are_unblocked_once_each(store: RedisStore) -> None:
    ref = new(store, [0], 5)
    claim(store, ref, 0)
    assert complete(store, ref, 0, 1, 1, 2, 1, cursor=2).ready == (Ready(1, 1), Ready(2, 1))
    late = store.settle(ref.instance_id, node=0, start=0, children=Children([1, 1], 1), by=BY)
    assert late.outcome is Outcome.SUPERSEDED
    done = store.settle(ref.instance_id, node=0, start=2, children=Children([3, 1, 4, 1]), by=BY)
    assert done.ready == (Ready(3, 1), Ready(4, 1))
    check_invariants(store._client, ref.instance_id)


def test_roots_in_slices(store: RedisStore) -> None:
    ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
    store.create(ref, total=2, params=b"{}", roots=Children([0, 1], 1), by=Dispatching(True, 0))
    check_invariants(store._client, ref.instance_id)
    due = store.take_due(ref.instance_id, limit=10, resend_ms=0, max_lost=3)
    assert due.settle == (Unsettled(-1, 1, failed=False),)
    done = store.settle(ref.instance_id, node=-1, start=1, children=Children([1, 1]), by=BY)
    assert done.ready == (Ready(1, 1),)
    check_invariants(store._client, ref.instance_id)
    assert some(store.snapshot(ref.instance_id)).counts["pending"] == 2


def test_a_dead_letter_is_a_lost_attempt_of_what_still_waits(store: RedisStore) -> None:
    def lose(attempt: int) -> tuple[Outcome, str]:
        lost = store.lose(ref.instance_id, node=0, attempt=attempt, resend_ms=60_000, max_lost=2, error=ERROR)
        check_invariants(store._client, ref.instance_id)
        return lost.outcome, lost.status

    ref = new(store, [0], 2)
    claim(store, ref, 0)
    assert lose(1) == (Outcome.SUPERSEDED, "RUNNING")
    ref = new(store, [0], 2)
    assert lose(1) == (Outcome.RETRY, "PENDING")
    assert lose(1) == (Outcome.SUPERSEDED, "PENDING")
    assert claim(store, ref, 0) is Outcome.SUPERSEDED
    assert lose(2) == (Outcome.FAILED, "PENDING")
    done = store.settle(ref.instance_id, node=0, start=0, children=Children([1]), by=BY)
    assert (done.outcome, done.status) == (Outcome.SETTLED, "FAILED")
    assert some(store.snapshot(ref.instance_id)).errors == {0: ERROR}


def test_abort_ends_an_instance_and_refuses_late_results(store: RedisStore) -> None:
    ref = new(store, [0], 3)
    claim(store, ref, 0)
    assert store.end(ref.instance_id, status="FAILED", error=ERROR) is Outcome.ENDED
    assert store.end(ref.instance_id, status="FAILED", error=ERROR) is Outcome.CLOSED
    late = store.complete(ref.instance_id, done=[Done(0, 1, b"1", Children([1, 1]))], by=BY)
    assert late.outcomes == (Outcome.CLOSED,)
    snapshot = some(store.snapshot(ref.instance_id))
    assert (snapshot.status, snapshot.counts["cancelled"], snapshot.error) == ("FAILED", 3, ERROR)


def test_what_does_not_exist_is_gone(store: RedisStore) -> None:
    ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
    assert store.snapshot(ref.instance_id) is None and store.status(ref.instance_id) is None
    assert store.take_due(ref.instance_id, limit=1, resend_ms=1, max_lost=1).outcome is Outcome.GONE
    assert store.claim(ref.instance_id, owner="me", lease_ms=1, wanted=[]).outcome is Outcome.GONE
    done = store.complete(ref.instance_id, done=[Done(0, 1, b"1", Children([]))], by=BY)
    assert done.outcomes == (Outcome.GONE,)


def test_pressure_counts_what_nobody_looked_at_and_the_memory_where_it_is_bounded(store: RedisStore) -> None:
    before = store.pressure(late_ms=60_000)
    refs = [new(store, [0], 1, LATE) for _ in range(3)]
    assert store.pressure(late_ms=60_000).late == before.late
    # A negative bound counts what will be late a while from now.
    assert store.pressure(late_ms=-1000).late >= before.late + 3
    assert before.memory is None
    nodes = store._client.get_primaries() if hasattr(store._client, "get_primaries") else [None]
    for maxmemory, low, high in (("1gb", 0.0, 0.5), ("1", 2.0, 1e9)):
        try:
            _set_maxmemory(store._client, nodes[:1], maxmemory)
            share = store.pressure(late_ms=60_000).memory
            assert share is not None and low < share < high
        finally:
            _set_maxmemory(store._client, nodes, "0")
    for ref in refs:
        store.end(ref.instance_id, status="FAILED", error=ERROR)


def _set_maxmemory(client: Any, nodes: list[Any], value: str) -> None:
    for one in nodes:
        client.config_set("maxmemory", value, **({"target_nodes": one} if one else {}))


def test_workflows_and_idempotency(store: RedisStore) -> None:
    execution_id = ids.new(ids.EXECUTION)
    assert store.workflow(execution_id) is None
    created = store.put_workflow(execution_id, name="n", document=b"{}")
    assert store.put_workflow(execution_id, name="other", document=b"[]") == created
    assert store.has_workflow(execution_id) and store.note_latest(execution_id, "in-1")
    stored = some(store.workflow(execution_id))
    assert (stored.name, stored.document, stored.created_at, stored.latest) == ("n", b"{}", created, "in-1")
    assert 0 < store._client.ttl(keys.workflow(execution_id)) <= 90
    assert store._client.hget(keys.workflow(execution_id), "schema") is None  # any release may start it
    quoting = ids.new(ids.EXECUTION)
    store.put_workflow(quoting, name="n", document=b"{}", schema=3)
    assert store._client.hget(keys.workflow(quoting), "schema") == b"3"
    assert store.forget_workflow(execution_id) and not store.has_workflow(execution_id)
    assert not store.note_latest(execution_id, "in-2") and not store._client.exists(keys.workflow(execution_id))
    key = ids.new("k")
    assert store.reserve("s", key, fingerprint="f", id="1") == ("f", "1")
    assert store.reserve("s", key, fingerprint="g", id="2") == ("f", "1")
    assert store.reserve("t", key, fingerprint="g", id="2") == ("g", "2")


def test_no_script_has_more_arguments_than_serverless_takes(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """ElastiCache Serverless refuses 4,000. A join of 5,000 is still claimed, with every result."""
    wide = 5000
    ref = new(store, [0], wide + 1)
    store._client.hset(keys.results(ref.instance_id), mapping={node: b"%d" % node for node in range(wide)})
    store._client.expire(keys.results(ref.instance_id), 60)
    lengths: list[int] = []
    run = store._scripts.run

    def counted(name: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        lengths.append(len(names) + len(arguments))
        return run(name, names, arguments)

    monkeypatch.setattr(store._scripts, "run", counted)
    claim = store.claim(ref.instance_id, owner="me", lease_ms=1000, wanted=[Wanted(0, 1, tuple(range(wide)))])
    assert claim.nodes[0].results == tuple(b"%d" % node for node in range(wide))
    store.end(ref.instance_id, status="FAILED", error=ERROR)
    rerun_nodes = RerunNodes([0], dict.fromkeys(range(1, wide), 0), 2)
    assert store.rerun(ref.instance_id, epoch=1, nodes=rerun_nodes, params=None, reason="", by=BY) is Outcome.RERUN
    store.end(ref.instance_id, status="FAILED", error=ERROR)
    assert max(lengths) < 3000
