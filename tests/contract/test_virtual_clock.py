"""The virtual clock of the tests is the only clock that the store uses."""

from __future__ import annotations

import pytest
import redis

from chalicelib import ids
from chalicelib.core.calls import Children, Dispatching, Wanted
from chalicelib.core.work import Ref
from tests.support.virtual_clock import START_MS, ClockedStore, VirtualClock


def test_time_stands_still_until_it_is_turned(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client, VirtualClock(client, key="sim:now:here") as clock:
        store = ClockedStore(client, clock)
        ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
        by = Dispatching(taken=True, resend_ms=1000)
        assert store.create(ref, total=1, params=b"{}", roots=Children([0, 1]), by=by)[1] == START_MS
        store.claim(ref.instance_id, owner="me", lease_ms=50, wanted=[Wanted(0, 1, ())])
        assert clock.advance(49) == START_MS + 49
        assert ref.instance_id not in store.overdue(limit=1000)
        clock.advance(1)
        assert ref.instance_id in store.overdue(limit=1000)
        store.end(ref.instance_id, status="FAILED", error=b"{}")
        snapshot = store.snapshot(ref.instance_id)
        assert snapshot is not None and snapshot.finished_at == START_MS + 50


def test_a_claim_says_how_long_its_nodes_were_ready_and_take_due_how_late_it_is(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client, VirtualClock(client, key="sim:now:waited") as clock:
        store = ClockedStore(client, clock)
        ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
        instance_id, by = ref.instance_id, Dispatching(taken=False, resend_ms=1000)
        store.create(ref, total=3, params=b"{}", roots=Children([0, 1]), by=by)
        clock.advance(70)
        assert store.take_due(instance_id, limit=10, resend_ms=1000, max_lost=3).late_ms == 70
        assert store.take_due(instance_id, limit=10, resend_ms=1000, max_lost=3).late_ms == 0
        clock.advance(5)
        assert store.claim(instance_id, owner="me", lease_ms=50, wanted=[Wanted(0, 1, ())]).waited_ms == 75
        again = store.claim(instance_id, owner="you", lease_ms=50, wanted=[Wanted(0, 1, ())])
        assert again.waited_ms is None  # nothing was claimed
        store.fail(instance_id, node=0, attempt=1, error=b"{}", delay_ms=10, look_ms=20, descendants=Children([]))
        clock.advance(30)
        assert store.take_due(instance_id, limit=10, resend_ms=1000, max_lost=3).late_ms == 10
        retried = store.claim(instance_id, owner="me", lease_ms=50, wanted=[Wanted(0, 2, ())])
        assert retried.nodes[0].failures == 1 and retried.waited_ms is None  # its backoff counts as waiting, too
        store.end(instance_id, status="FAILED", error=b"{}")
        closed = store.claim(instance_id, owner="me", lease_ms=50, wanted=[Wanted(0, 2, ())])
        assert closed.waited_ms is None


def test_a_clock_that_is_not_set_is_an_error(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        clock = VirtualClock(client, key="sim:now:gone")
        store = ClockedStore(client, clock)
        clock.close()
        with pytest.raises(redis.exceptions.ResponseError, match="no virtual clock"):
            store.create(
                Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION)),
                total=1,
                params=b"{}",
                roots=Children([0, 1]),
                by=Dispatching(taken=True, resend_ms=1),
            )
