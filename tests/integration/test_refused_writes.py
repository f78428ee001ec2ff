"""A store that answers, but refuses to write: it is full, without its disk, a replica, or without its replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from chalicelib import ids
from chalicelib.core.calls import Children, Dispatching
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref
from chalicelib.errors import Unavailable
from chalicelib.store.connection import connect
from chalicelib.store.redis_store import RedisStore
from tests.support.servers import running_valkey

REF = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
WRITES: dict[str, Callable[[RedisStore], Any]] = {
    "a script": lambda store: store.create(
        REF, total=1, params=b"{}", roots=Children([0, 1], -1), by=Dispatching(taken=True, resend_ms=1000)
    ),
    "a transaction": lambda store: store.put_workflow(REF.execution_id, name="MISCONF", document=b"{}"),
    "a command": lambda store: store.reserve("scope", "key", fingerprint="f", id="i"),
    "a wait": lambda store: store.wait_terminal(REF.instance_id, 0.01),
}
REFUSALS = {
    "full": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "a replica": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "without its replicas": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisStore, redis.Redis]]:
    with (
        running_valkey(tmp_path_factory.mktemp("refusing")) as port,
        contextlib.closing(redis.Redis(port=port)) as admin,
        contextlib.closing(connect(f"redis://127.0.0.1:{port}/0")) as client,
    ):
        yield RedisStore(client, retention_seconds=9, workflow_retention_seconds=9, idempotency_seconds=9), admin


# A call to a replica is retried for some seconds, on a new connection each time.
CASES = [(refusal, write) for refusal in REFUSALS for write in WRITES if refusal != "a replica" or write == "a command"]


@pytest.mark.parametrize(("refusal", "write"), CASES)
def test_it_is_unavailable_and_takes_part_again(
    store: tuple[RedisStore, redis.Redis], refusal: str, write: str
) -> None:
    refusing, admin = store
    on, off = REFUSALS[refusal]
    admin.flushall()
    admin.execute_command(*on.split())
    try:
        with pytest.raises(Unavailable, match="refuses"):
            WRITES[write](refusing)
        assert admin.dbsize() == 0
    finally:
        admin.execute_command(*off.split())
    WRITES[write](refusing)
    assert WRITES["a script"](refusing)[0] in (Outcome.CREATED, Outcome.EXISTS)
