"""What a newer release has written is reported, and left as it is (ARCHITECTURE.md, "Versions")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.calls import Children, Dispatching, Done, RerunNodes, Wanted
from chalicelib.errors import NewerSchema
from chalicelib.queues.memory import MemoryQueue
from chalicelib.store import keys
from chalicelib.store.scripts import LUA, sources
from local import valkey
from tests.support.harness import (
    QueuedApplication,
    application,
    by_messages,
    drain,
    results_of,
    run,
    sqs_event,
    wait_until,
)
from tests.support.servers import running_valkey

BY = Dispatching(taken=True, resend_ms=10)
CHAIN = {
    "name": "Chain",
    "dag": {
        "nodes": [
            {"id": "a", "handler": "noop", "dependencies": []},
            {"id": "b", "handler": "noop", "dependencies": ["a"]},
        ]
    },
}
TRANSITIONS: dict[str, Callable[[Any, str], Any]] = {
    "take_due": lambda store, id: store.take_due(id, limit=9, resend_ms=9, max_lost=9),
    "claim": lambda store, id: store.claim(id, owner="me", lease_ms=9, wanted=[Wanted(0, 1, ())]),
    "extend": lambda store, id: store.extend(id, node=0, attempt=1, lease_ms=9),
    "complete": lambda store, id: store.complete(id, done=[Done(0, 1, b"1", Children([1, 1]))], by=BY),
    "settle": lambda store, id: store.settle(id, node=0, start=0, children=Children([1, 1]), by=BY),
    "fail": lambda store, id: store.fail(
        id, node=0, attempt=1, error=b"{}", delay_ms=None, look_ms=9, descendants=Children([1])
    ),
    "lose": lambda store, id: store.lose(id, node=0, attempt=1, resend_ms=9, max_lost=9, error=b"{}"),
    "end": lambda store, id: store.end(id, status="FAILED", error=b"{}"),
    "pause": lambda store, id: store.pause(id),
    "resume": lambda store, id: store.resume(id),
    "rerun": lambda store, id: store.rerun(id, epoch=1, nodes=RerunNodes([], {}, 1), params=None, reason="", by=BY),
    "clear_outbox": lambda store, id: store.clear_outbox(id, epoch=1),
    "forget": lambda store, id: store.forget(id),
    "offload": lambda store, id: store.offload(id, node=0, attempt=1),
    "snapshot": lambda store, id: store.snapshot(id),
    "status": lambda store, id: store.status(id),
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[QueuedApplication]:
    """An application on a store of its own, so that the sweep finds only what the test made."""
    with running_valkey(tmp_path) as port:
        made = by_messages(application(valkey.url(port), MemoryQueue(), resend_seconds=0.01))
        yield made
        made.redis.close()


def test_lua_and_python_know_the_same_schema() -> None:
    found = re.search(r"^local SCHEMA = (\d+)$", sources(LUA / "lib")["instance"], re.M)
    assert found and int(found[1]) == keys.SCHEMA


def test_no_transition_touches_it_and_it_goes_on_when_its_release_is_back(app: QueuedApplication) -> None:
    instance_id, client, queue = run(app, CHAIN), app.redis, app.queue
    client.hset(keys.meta(instance_id), "schema", keys.SCHEMA + 1)
    before = [client.dump(name) for name in keys.instance(instance_id)[:-2]]
    assert set(TRANSITIONS) >= set(sources(LUA)) - {"create", "read", "note_latest"}
    for transition in TRANSITIONS.values():
        with pytest.raises(NewerSchema, match=f"schema {keys.SCHEMA + 1}"):
            transition(app.store, instance_id)
    with pytest.raises(NewerSchema, match=f"`{instance_id}`"):
        app.store.status(instance_id)
    with pytest.raises(NewerSchema):
        results_of(app, instance_id)
    assert [client.dump(name) for name in keys.instance(instance_id)[:-2]] == before

    [message] = queue.take()
    assert app.worker.handle(sqs_event([message])) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert app.dead_letters.handle(sqs_event([message])) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    # The sweep reports the failure, and leaves the instance in the index, behind those that it can process.
    wait_until(lambda: app.sweep.run().failed == 1, what="a sweep that meets it")
    assert not queue.take()

    client.hset(keys.meta(instance_id), "schema", keys.SCHEMA)
    wait_until(lambda: app.sweep.run().nodes == 1, what="the sweep of the release that knows it")
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"


def test_a_workflow_that_needs_a_newer_release_is_not_started(app: QueuedApplication) -> None:
    submitted = app.submission.submit(b'{"name": "One", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}}', None)
    app.redis.hset(keys.workflow(submitted.execution_id), "schema", keys.SCHEMA + 1)
    with pytest.raises(NewerSchema, match=submitted.execution_id):
        app.triggering.trigger(submitted.execution_id, b"", None)
