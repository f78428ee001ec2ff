"""A real primary and its replica: only what was not replicated is lost at a failover, and runs again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from chalicelib.composition import Application
from chalicelib.core.calls import Children, Dispatching, Done, Wanted
from chalicelib.core.transitions import Outcome
from chalicelib.errors import NotFound
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from tests.support.address import Address
from tests.support.harness import application, results_of, run, sqs_event, wait_until
from tests.support.invariants import check_invariants
from tests.support.servers import running_valkey

LENGTH = 6
CHAIN: dict[str, Any] = {
    "name": "chain",
    "dag": {
        "nodes": [
            {"id": f"n{number}", "handler": "count", "dependencies": [f"n{number - 1}"] if number else []}
            for number in range(LENGTH)
        ]
    },
}
runs: Counter[str] = Counter()


@handler("count")
def count(config: Config, context: Context) -> int:
    runs[context.idempotency_key] += 1
    return int(1 + sum(context.results.values()))


class Pair:
    """A primary and its replica. Clients find the primary at `address`."""

    def __init__(self, primary: int, replica: int) -> None:
        self.address = Address(primary)
        self.primary, self.replica = redis.Redis(port=primary), redis.Redis(port=replica)
        self._replica_port = replica
        self.primary.config_set("repl-diskless-sync-delay", 0)
        self.replica.replicaof("127.0.0.1", primary)
        wait_until(self.in_step, what="a replica that has everything")

    def in_step(self) -> bool:
        return bool(self.replica.info("replication")["master_link_status"] == "up" and self.primary.wait(1, 1000))

    def cut_off(self) -> None:
        """Stop the replication, so that the replica lags behind."""
        self.replica.replicaof("127.0.0.1", 1)

    def fail_over(self) -> None:
        os.kill(self.primary.info()["process_id"], signal.SIGKILL)
        self.promote()

    def promote(self) -> None:
        self.replica.replicaof("no", "one")
        self.address.target = self._replica_port


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    runs.clear()
    with contextlib.ExitStack() as exits:
        ports = []
        for name in ("primary", "replica"):
            (tmp_path / name).mkdir()
            ports.append(exits.enter_context(running_valkey(tmp_path / name)))
        made = Pair(*ports)
        for one in (made.address, made.primary, made.replica):
            exits.enter_context(contextlib.closing(one))
        yield made


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def app(pair: Pair, queue: MemoryQueue) -> Iterator[Application]:
    """An application whose messages have one node each, and whose sweep soon finds what is lost."""
    made = application(
        f"redis://127.0.0.1:{pair.address.port}/0", queue, [count], hop_seconds=0, lease_seconds=1, resend_seconds=0.2
    )
    yield made
    made.redis.close()


def work(app: Application, queue: MemoryQueue, messages: int) -> None:
    for _ in range(messages):
        assert app.worker.handle(sqs_event(queue.take(1))) == {"batchItemFailures": []}


def end(app: Application, queue: MemoryQueue, instance_id: str) -> dict[str, Any]:
    """Work and sweep until the instance has ended. Returns its results."""

    def over() -> bool:
        app.sweep.run()
        work(app, queue, len(queue.bodies))
        return app.status.of(instance_id).status == "COMPLETED"

    wait_until(over, what="COMPLETED", seconds=30)
    return results_of(app, instance_id).results


def key(instance_id: str, node: int) -> str:
    return f"{instance_id}/n{node}"


def test_what_the_replica_had_not_got_is_run_again_and_nothing_else(
    pair: Pair, app: Application, queue: MemoryQueue
) -> None:
    first = run(app, CHAIN)
    work(app, queue, 2)
    wait_until(pair.in_step, what="a replica that has everything")
    pair.cut_off()
    work(app, queue, 3)  # n2, n3, n4 were committed, and are lost with their messages
    execution_id = app.status.of(first).execution_id
    young = app.triggering.trigger(execution_id, b"", "a key").instance_id

    pair.fail_over()

    expected = {f"n{number}": number + 1 for number in range(LENGTH)}
    assert end(app, queue, first) == expected
    assert check_invariants(pair.replica, first) == "COMPLETED"
    assert {node: runs[key(first, node)] for node in range(LENGTH)} == {0: 1, 1: 1, 2: 2, 3: 2, 4: 2, 5: 1}
    # A trigger that was answered may be lost as well. The client finds out, and triggers again with its key.
    with pytest.raises(NotFound):
        app.status.of(young)
    again = app.triggering.trigger(execution_id, b"", "a key").instance_id
    assert end(app, queue, again) == expected
    assert app.triggering.trigger(execution_id, b"", "a key").instance_id == again


def test_a_claim_that_was_lost_is_given_twice_and_one_result_is_kept(
    pair: Pair, app: Application, queue: MemoryQueue
) -> None:
    instance_id = run(app, CHAIN)
    wait_until(pair.in_step, what="a replica that has everything")
    pair.cut_off()

    def claim(owner: str) -> Outcome:
        return app.store.claim(instance_id, owner=owner, lease_ms=60_000, wanted=[Wanted(0, 1, ())]).nodes[0].outcome

    def commit(result: bytes) -> Outcome:
        children, by = Children([1, 1], -1), Dispatching(taken=True, resend_ms=1000)
        done = [Done(0, 1, result, children)]
        return app.store.complete(instance_id, done=done, by=by).outcomes[0]

    assert claim("the first") is Outcome.CLAIMED
    pair.fail_over()
    assert commit(b"1") is Outcome.SUPERSEDED  # no worker holds it now
    assert claim("the second") is Outcome.CLAIMED
    assert commit(b"1") is Outcome.COMMITTED  # it cannot be distinguished from the second
    assert commit(b"2") is Outcome.REPEATED
    assert app.store.results(instance_id) == {0: b"1"}
    check_invariants(pair.replica, instance_id)


def test_an_end_that_was_lost_comes_again(pair: Pair, app: Application, queue: MemoryQueue) -> None:
    instance_id = run(app, CHAIN)
    work(app, queue, LENGTH - 1)
    wait_until(pair.in_step, what="a replica that has everything")
    pair.cut_off()
    first = end(app, queue, instance_id)
    pair.fail_over()
    assert app.status.of(instance_id).status == "RUNNING"
    assert end(app, queue, instance_id) == first
    assert {node: runs[key(instance_id, node)] for node in range(LENGTH)} == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 2}


def test_a_workflow_that_was_lost_is_started_by_no_memory(pair: Pair, app: Application, queue: MemoryQueue) -> None:
    pair.cut_off()
    execution_id = app.submission.submit(json.dumps(CHAIN).encode(), None).execution_id
    app.triggering.trigger(execution_id, b"", None)
    queue.bodies.clear()
    pair.fail_over()
    with pytest.raises(NotFound):  # this process still has its plan
        app.triggering.trigger(execution_id, b"", None)
    app.definitions._plans.clear()  # any other process
    with pytest.raises(NotFound):
        app.triggering.trigger(execution_id, b"", None)
    assert not queue.bodies and not app.store.overdue(limit=10)


def test_a_primary_that_was_demoted_is_left(pair: Pair, app: Application, queue: MemoryQueue) -> None:
    """A demoted primary keeps its connections, and refuses every write on them."""
    instance_id = run(app, CHAIN)
    work(app, queue, 2)
    wait_until(pair.in_step, what="a replica that has everything")
    pair.promote()
    pair.primary.replicaof("127.0.0.1", pair.replica.get_connection_kwargs()["port"])
    assert end(app, queue, instance_id) == {f"n{number}": number + 1 for number in range(LENGTH)}
    assert set(runs.values()) == {1}
    assert check_invariants(pair.replica, instance_id) == "COMPLETED"


def test_durable_writes_wait_for_the_replica(pair: Pair) -> None:
    """With `min-replicas-to-write` and WAIT, the primary reports that the replica is gone."""
    pair.cut_off()
    wait_until(lambda: pair.primary.info("replication")["connected_slaves"] == 0, what="a primary alone")
    with pair.primary.pipeline(transaction=False) as pipe:
        pipe.set("name", "value")
        pipe.execute_command("WAIT", 1, 50)
        assert pipe.execute() == [True, 0]
    pair.primary.config_set("min-replicas-to-write", 1)
    with pytest.raises(redis.exceptions.ResponseError, match="NOREPLICAS"):
        pair.primary.set("name", "value")
