"""Poison on the whole stack: the worst that a handler, a message or a deletion can do ends in a clear state."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from chalicelib.store import keys
from chalicelib.store.redis_store import RedisStore
from examples import run as client
from tests.support.harness import wait_until
from tests.support.invariants import check_invariants
from tests.support.servers import client_of
from tests.support.stack import RunningStack, running_stack

MAX_LOST = 3
# Shorter than `takes` runs, so that its message is received again meanwhile.
VISIBILITY = 1


class Service:
    """The stack, and the servers behind it."""

    def __init__(self, stack: RunningStack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.queue_url = stack.exported("QUEUE_URL")
        self.redis = redis.Redis.from_url(stack.exported("REDIS_URL"))
        self.sqs = client_of(stack.exported("AWS_ENDPOINT_URL"), "sqs")
        self.store = RedisStore(self.redis, retention_seconds=60, workflow_retention_seconds=60, idempotency_seconds=60)

    def diary(self, name: str) -> Path:
        return self.folder / f"{name}.diary"

    def start(self, *nodes: dict[str, Any]) -> str:
        """Start an instance of a new workflow with these nodes. Returns the instance_id."""
        document = {"name": "poison", "dag": {"nodes": list(nodes)}}
        execution_id = client.call(self.stack.url, "/api/workflow", document)["execution_id"]
        return str(client.call(self.stack.url, f"/api/workflow/trigger/{execution_id}", {})["instance_id"])

    def status(self, instance_id: str, wait: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = client.call(self.stack.url, f"/api/workflows/{instance_id}?wait={wait}")
        return found

    def failed(self, instance_id: str) -> bool:
        return self.store.status(instance_id) == "FAILED"

    def waiting(self) -> int:
        """Return the number of messages in the queue, those that workers hold included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def ended(self, instance_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """Return the status once it is terminal, and check what the instance left in the store."""

        def terminal() -> Any:
            view = self.status(instance_id, 5)
            return view["status"] in ("COMPLETED", "FAILED") and view

        view: dict[str, Any] = wait_until(terminal, seconds=seconds, what=f"the end of {instance_id}")
        check_invariants(self.redis, instance_id)
        return view


@contextlib.contextmanager
def running(folder: Path, **more: str) -> Iterator[Service]:
    settings = {
        "HANDLER_MODULES": "tests.integration.poison_handlers",
        "LEASE_SECONDS": "1",
        "RESEND_SECONDS": "1",
        "SWEEP_INTERVAL": "0.2",
        "MAX_LOST": str(MAX_LOST),
        "MAX_RESULT_BYTES": "10000",
        "VISIBILITY_SECONDS": str(VISIBILITY),
        "LOG_LEVEL": "DEBUG",
    }
    with running_stack(folder / "data", settings | more) as stack:
        made = Service(stack, folder)
        yield made
        made.redis.close()
        made.sqs.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("poison")) as made:
        yield made


def node(id: str, handler: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies)} | more


def runs(diary: Path) -> Counter[str]:
    """Return how often each node's handler started."""
    return Counter(line.split()[0] for line in diary.read_text().splitlines())


def test_a_handler_that_kills_its_process(service: Service) -> None:
    """Its node fails once its leases are lost; the others of its batch, with one attempt each, complete elsewhere."""
    diary = service.diary("kills")
    mates = [f"mate{number}" for number in range(5)]
    instance_id = service.start(
        node("start", "noop"),
        *(node(mate, "takes", "start", config={"diary": str(diary), "seconds": 1.5}) for mate in mates),
        node("poison", "kills", "start", config={"diary": str(diary), "mates": 2}),
        node("after", "noop", "poison"),
    )
    view = service.ended(instance_id, seconds=90)
    poison = view["nodes"]["poison"]
    assert view["status"] == "FAILED" and view["error"]["node"] == "poison"
    assert poison["status"] == "FAILED" and poison["error"]["type"] == "WorkerLost"
    assert "killed" in poison["error"]["message"]
    assert view["nodes"]["after"]["status"] == "SKIPPED"
    assert {mate: view["nodes"][mate]["status"] for mate in mates} == dict.fromkeys(mates, "COMPLETED")
    assert runs(diary)["poison"] == MAX_LOST
    snapshot = service.store.snapshot(instance_id)
    assert snapshot is not None and {record.failures for record in snapshot.records.values()} == {0}
    assert any(view["nodes"][mate]["attempt"] > 1 for mate in mates), "none of them was in its batch"
    # None of that made the function fail, or AWS would have slowed down its pollers.
    assert not [line for line in service.stack.lines if "failed on a batch" in line or "record failed" in line]


def test_a_worker_that_dies_with_200_nodes_in_hand(tmp_path: Path) -> None:
    """It loses no more leases than it had nodes, and the node that killed it is found, since each then runs alone."""
    mates = [f"mate{number}" for number in range(199)]
    with running(tmp_path, WORKERS="1") as service:
        diary = service.diary("many")
        config = {"diary": str(diary), "seconds": 5}
        view = service.ended(
            service.start(
                node("poison", "kills_many", config={"diary": str(diary), "mates": len(mates)}),
                *(node(mate, "waits_first", config=config) for mate in mates),
            ),
            seconds=120,
        )
    assert view["nodes"]["poison"]["error"]["type"] == "WorkerLost" and view["error"]["node"] == "poison"
    attempts = Counter((view["nodes"][mate]["status"], view["nodes"][mate]["attempt"]) for mate in mates)
    assert attempts == {("COMPLETED", 2): len(mates)}
    assert runs(diary)["poison"] == MAX_LOST


def test_a_handler_that_outlives_the_visibility_timeout(service: Service) -> None:
    """The lease decides: the message is received several times, and one copy runs."""
    diary = service.diary("long")
    long = node("long", "takes", config={"diary": str(diary), "seconds": 8})
    instance_id = service.start(long, node("after", "output", "long"))
    view = service.ended(instance_id)
    assert view["status"] == "COMPLETED" and view["nodes"]["long"]["attempt"] == 1
    assert runs(diary) == {"long": 1}
    refused = [line for line in service.stack.lines if "message refused" in line and instance_id in line]
    assert refused and all("RUNNING" in line for line in refused)


def test_a_retry_later_than_the_visibility_timeout(service: Service) -> None:
    diary = service.diary("retry")
    policy = {"max_attempts": 2, "initial_backoff_seconds": 6}
    instance_id = service.start(node("again", "flunks", config={"diary": str(diary)}, retry_policy=policy))
    view = service.ended(instance_id)
    assert view["status"] == "COMPLETED" and view["nodes"]["again"]["attempt"] == 2
    assert runs(diary) == {"again": 2}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("large", r"is 20,002 bytes, the limit is 10,000 \(MAX_RESULT_BYTES\): store it elsewhere"),
        ("object", "is not JSON"),
        ("nan", "is not JSON"),
    ],
)
def test_a_result_that_cannot_be_kept(service: Service, what: str, words: str) -> None:
    """No retry can help, so there is none; another branch ends as usual."""
    policy = {"max_attempts": 5, "initial_backoff_seconds": 0}
    view = service.ended(
        service.start(
            node("bad", "yields", config={"what": what}, retry_policy=policy),
            node("after", "noop", "bad"),
            node("beside", "noop"),
        )
    )
    bad = view["nodes"]["bad"]
    assert (view["status"], bad["status"], bad["attempt"], bad["error"]["type"]) == ("FAILED", "FAILED", 1, "BadResult")
    assert re.search(words, bad["error"]["message"])
    assert (view["nodes"]["after"]["status"], view["nodes"]["beside"]["status"]) == ("SKIPPED", "COMPLETED")


def test_a_message_nobody_can_parse(service: Service) -> None:
    """It is received until the queue gives it up, and dropped with a log line; others are handled meanwhile."""
    bodies = ["poison, not JSON", '{"instance_id": "in-x", "nodes": 7}', "[" * 1000]
    for body in bodies:
        service.sqs.send_message(QueueUrl=service.queue_url, MessageBody=body)
    view = service.ended(service.start(node("a", "noop"), node("b", "noop", "a")))
    assert view["status"] == "COMPLETED"

    def dropped() -> bool:
        return sum("dead letter dropped" in line for line in service.stack.lines) == len(bodies)

    wait_until(dropped, seconds=60, what="a line for each message")
    assert service.waiting() == 0


def test_a_workflow_deleted_under_its_workers(service: Service) -> None:
    """Workers that have the plan in memory continue; one that needs to load it ends the instance, with the reason."""
    diary = service.diary("deleted")
    slow = {"diary": str(diary), "seconds": 1}
    branches = [node(f"b{number}", "takes", "start", config=slow) for number in range(40)]
    end = node("end", "noop", *(branch["id"] for branch in branches))
    instance_ids = [service.start(node("start", "noop"), *branches, end) for _ in range(3)]
    wait_until(lambda: diary.exists() and len(runs(diary)) >= 2, what="branches that run")
    for instance_id in instance_ids:
        execution_id = service.store.execution_of(instance_id)
        assert execution_id is not None
        service.redis.delete(keys.workflow(execution_id))
    # The workers that replace these have not read the plans.
    for pid in service.stack.pids("worker"):
        os.kill(pid, signal.SIGKILL)
    for instance_id in instance_ids:
        wait_until(functools.partial(service.failed, instance_id), seconds=60, what="FAILED")
        check_invariants(service.redis, instance_id)
        view = service.status(instance_id)
        assert view["status"] == "FAILED" and view["error"]["type"] == "DefinitionGone"
        assert view["progress"]["cancelled"] > 0 and view["progress"]["running"] == 0
    wait_until(lambda: service.waiting() == 0, what="an empty queue")
    view = service.ended(service.start(node("a", "noop")))
    assert view["status"] == "COMPLETED"
