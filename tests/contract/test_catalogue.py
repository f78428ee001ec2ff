"""Lists and counts over all shards, which have the instances that were triggered, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from chalicelib import ids
from chalicelib.core.calls import Children, Dispatching, Terms
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref
from chalicelib.store import keys
from chalicelib.store.catalogue import LETTERS, RedisCatalogue
from chalicelib.store.connection import connect
from chalicelib.store.redis_store import RedisStore

ALL = list(LETTERS)
BY = Dispatching(taken=True, resend_ms=60_000)


@pytest.fixture
def store(valkey_url: str) -> Iterator[RedisStore]:
    client = connect(valkey_url)
    client.flushall()
    yield RedisStore(client, retention_seconds=60, workflow_retention_seconds=90, idempotency_seconds=30)
    client.flushall()
    client.close()


@pytest.fixture
def catalogue(store: RedisStore) -> RedisCatalogue:
    return RedisCatalogue(store._client)


def at(moment: int, kind: str = ids.INSTANCE, shard: int = 0) -> str:
    """Make an id for a moment, by which lists are ordered."""
    return f"{kind}-{moment:012x}{moment:016x}{shard:02x}"


def create(store: RedisStore, instance_id: str, terms: Terms | None = None) -> Ref:
    ref = Ref(instance_id, ids.new(ids.EXECUTION))
    outcome, _ = store.create(
        ref, total=1, params=b"{}", roots=Children([0, 1]), by=BY, terms=terms or Terms(name="one")
    )
    assert outcome is Outcome.CREATED
    return ref


def test_counts_are_of_instances_and_leave_out_the_calls_of_webhooks(
    store: RedisStore, catalogue: RedisCatalogue
) -> None:
    for number in range(3):
        create(store, at(number, shard=number % 2))
    for number in range(3, 5):
        create(store, at(number, kind=ids.DELIVERY, shard=number % 2))
        store.end(create(store, at(number, shard=63)).instance_id, status="CANCELLED", error=b"")
    ended = create(store, at(9, kind=ids.DELIVERY))
    store.end(ended.instance_id, status="FAILED", error=b"")
    nothing = dict.fromkeys(("RUNNING", "COMPLETED", "FAILED"), 0)
    assert catalogue.counts() == {"PENDING": 3, "CANCELLED": 2, **nothing}


def test_lists_leave_out_the_calls_of_webhooks(store: RedisStore, catalogue: RedisCatalogue) -> None:
    mine = at(1)
    create(store, mine)
    create(store, at(2, kind=ids.DELIVERY))
    assert [one.instance_id for one in catalogue.instances(statuses=ALL, before=None, limit=10)] == [mine]


def test_a_page_is_the_newest_of_all_shards_and_statuses_below_its_cursor(
    store: RedisStore, catalogue: RedisCatalogue
) -> None:
    made = [at(number, shard=(number * 7) % 64) for number in range(12)]
    for number, instance_id in enumerate(made):
        create(store, instance_id)
        if number % 3 == 0:
            store.end(instance_id, status="CANCELLED", error=b"")
    newest = made[::-1]
    listed = [f"{'X' if number % 3 == 0 else 'P'}{id}" for number, id in enumerate(made)]
    assert {store._client.zscore(keys.listing(name[-2:]), name) for name in listed} == {0}

    def page(statuses: Sequence[str], before: str | None, limit: int) -> list[str]:
        return [one.instance_id for one in catalogue.instances(statuses=statuses, before=before, limit=limit)]

    assert page(ALL, None, 100) == newest
    assert page(ALL, None, 5) == newest[:5]
    assert page(ALL, newest[4], 5) == newest[5:10]  # the cursor itself is on the page before
    assert page(ALL, newest[9], 5) == newest[10:]
    assert page(["CANCELLED"], None, 100) == [made[9], made[6], made[3], made[0]]
    assert page(["PENDING"], newest[0], 2) == [made[10], made[8]]
    assert page([], None, 5) == []


def test_an_entry_says_what_its_instance_is(store: RedisStore, catalogue: RedisCatalogue) -> None:
    ref = create(store, at(1), Terms(name="Nightly", tags={"team": "a", "env": "é"}))
    store.pause(ref.instance_id)
    (one,) = catalogue.instances(statuses=ALL, before=None, limit=10)
    assert (one.instance_id, one.execution_id, one.name) == (ref.instance_id, ref.execution_id, "Nightly")
    assert (one.status, one.paused, one.epoch) == ("PENDING", True, 1)
    assert dict(one.tags) == {"team": "a", "env": "é"}
    assert dict(one.counts) == {
        **{"total": 1, "pending": 1, "running": 0, "completed": 0, "failed": 0, "skipped": 0, "cancelled": 0}
    }
    assert one.started_at is None and one.finished_at is None
    store.end(ref.instance_id, status="CANCELLED", error=b"")
    (one,) = catalogue.instances(statuses=ALL, before=None, limit=10)
    assert one.status == "CANCELLED" and one.counts["cancelled"] == 1 and one.counts["pending"] == 0
    assert one.finished_at is not None and one.finished_at >= one.created_at


def test_what_is_gone_leaves_the_lists_of_its_shard(store: RedisStore, catalogue: RedisCatalogue) -> None:
    gone, stays = at(1, shard=5), at(2, shard=5)
    create(store, gone), create(store, stays)
    store._client.delete(*keys.instance(gone)[:9])  # its retention is over, and no sweep has run yet
    assert [one.instance_id for one in catalogue.instances(statuses=ALL, before=None, limit=10)] == [stays]
    assert store._client.zrange(keys.listing("05"), 0, -1) == [f"P{stays}".encode()]
    assert catalogue.counts()["PENDING"] == 1


def test_workflows_are_listed_the_newest_first(store: RedisStore, catalogue: RedisCatalogue) -> None:
    made = [at(number, kind=ids.EXECUTION, shard=number % 64) for number in range(5)]
    for number, execution_id in enumerate(made):
        store.put_workflow(execution_id, name=f"n{number}", document=json.dumps({"n": number}).encode())
    latest = at(7)
    store.note_latest(made[3], latest)
    # Redis orders members by text only if they have the same score, so all releases must use the same one.
    assert {store._client.zscore(keys.workflows(id[-2:]), id) for id in made} == {0}

    def page(before: str | None, limit: int) -> list[str]:
        return [one.execution_id for one in catalogue.workflows(before=before, limit=limit)]

    assert page(None, 10) == made[::-1]
    assert page(None, 2) == [made[4], made[3]]
    assert page(made[3], 2) == [made[2], made[1]]
    one = catalogue.workflows(before=made[4], limit=1)[0]
    assert (one.name, one.document, one.latest) == ("n3", b'{"n": 3}', latest)
    assert catalogue.workflows(before=made[3], limit=1)[0].latest is None
    store._client.delete(keys.workflow(made[2]))
    assert page(None, 10) == [made[4], made[3], made[1], made[0]]
    assert store._client.zcard(keys.workflows(f"{2:02x}")) == 0


def test_a_workflow_is_stored_once_and_stays_while_it_is_used(store: RedisStore) -> None:
    id = ids.new(ids.EXECUTION)
    created = store.put_workflow(id, name="one", document=b'{"n": 1}')
    assert store.put_workflow(id, name="other", document=b'{"n": 2}') == created
    key = keys.workflow(id)
    for use in (
        lambda: store.put_workflow(id, name="one", document=b"{}"),
        lambda: store.workflow(id),
        lambda: store.note_latest(id, at(5)),
    ):
        store._client.expire(key, 10)
        use()
        assert 80 < store._client.ttl(key) <= 90  # of the fixture's store
    found = store.workflow(id)
    assert found is not None
    assert (found.execution_id, found.name, found.document, found.created_at, found.latest) == (
        *(id, "one", b'{"n": 1}', created, at(5)),
    )
    assert store.forget_workflow(id) is True and store.forget_workflow(id) is False
    assert store.workflow(id) is None and store._client.zcard(keys.workflows(id[-2:])) == 0


def test_an_idempotency_key_is_bound_once_for_its_time(store: RedisStore) -> None:
    assert store.reserve("scope", "key", fingerprint="f1", id="a") == ("f1", "a")
    assert store.reserve("scope", "key", fingerprint="f2", id="b") == ("f1", "a")
    assert store.reserve("other", "key", fingerprint="f2", id="b") == ("f2", "b")
    assert store.reserve("scope", "key2", fingerprint="f3", id="c") == ("f3", "c")
    name = keys.idempotency("scope", "key")
    assert 20 < store._client.ttl(name) <= 30  # of the fixture's store
    assert len({name, keys.idempotency("other", "key"), keys.idempotency("scope", "key2")}) == 3
