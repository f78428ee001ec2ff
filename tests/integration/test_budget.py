"""Round trips in the happy path, against the budget of DESIGN section 4: the figures stand in ARCHITECTURE.md."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from chalicelib.composition import Application
from chalicelib.queues.sqs import SqsQueue
from chalicelib.settings import Settings
from examples.run import fan_out, layered
from local.mapping import EventSourceMapping
from tests.harness import run


class Counted:
    """An application on real Redis and SQS whose round trips are counted at the clients."""

    def __init__(self, redis_url: str, queues: Any, endpoint: str) -> None:
        self.calls: Counter[str] = Counter()
        self.app = Application(Settings(redis_url=redis_url, queue_url=queues.url, aws_endpoint_url=endpoint))
        self.client = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1")
        self.client.meta.events.register("before-call.sqs.*", self._count_sqs)
        self.app.queue = SqsQueue(lambda: self.client, queues.url)
        redis_client = self.app.store._client
        execute, pipeline = redis_client.execute_command, redis_client.pipeline

        @functools.wraps(execute)
        def counted_execute(*arguments: Any, **options: Any) -> Any:
            self.calls["redis"] += 1
            return execute(*arguments, **options)

        @functools.wraps(pipeline)
        def counted_pipeline(*arguments: Any, **options: Any) -> Any:
            self.calls["redis"] += 1
            return pipeline(*arguments, **options)

        redis_client.execute_command, redis_client.pipeline = counted_execute, counted_pipeline
        self.mapping = EventSourceMapping(self.client, queues.url, self.app.worker.handle, wait_seconds=1)

    def _count_sqs(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1

    def per_node(self, workflow: dict[str, Any]) -> tuple[float, float]:
        """(Redis calls, SQS requests) per node from the trigger's commit to the end; empty receives are not counted."""
        instance_id = run(self.app, workflow)
        sent = self.calls["SendMessageBatch"]
        self.calls.clear()
        self.calls["SendMessageBatch"] = sent
        receives = 0
        while self.app.store.status(instance_id) not in ("COMPLETED", "FAILED"):
            self.calls["redis"] -= 1  # the test's own question
            receives += bool(self.mapping.poll())
        assert self.app.store.status(instance_id) == "COMPLETED"
        self.calls["redis"] -= 2
        nodes = len(workflow["dag"]["nodes"])
        sqs = self.calls["SendMessageBatch"] + receives + self.calls["DeleteMessageBatch"]
        return self.calls["redis"] / nodes, sqs / nodes


@pytest.fixture
def counted(valkey_url: str, queue_urls: Any, localstack_url: str) -> Iterator[Counted]:
    counted = Counted(valkey_url, queue_urls, localstack_url)
    yield counted
    counted.client.close()
    counted.app.store._client.close()


def chain(length: int) -> dict[str, Any]:
    nodes = [{"id": f"n{i}", "handler": "noop", "dependencies": [f"n{i - 1}"] if i else []} for i in range(length)]
    return {"name": "chain", "dag": {"nodes": nodes}}


# (workflow, Redis calls per node, SQS requests per node): what was seen, and a little room.
BUDGET = {
    "chain of 200": (chain(200), 1.1, 0.05),
    "1 -> 1,000 -> 1": (fan_out(1000), 2.1, 0.4),
    "20 layers of 50": (layered(20, 50), 2.1, 0.9),
}


@pytest.mark.parametrize("shape", BUDGET)
def test_round_trips_per_node(counted: Counted, shape: str, record_property: Any) -> None:
    workflow, most_redis, most_sqs = BUDGET[shape]
    redis_calls, sqs_requests = counted.per_node(workflow)
    record_property("per node", f"{redis_calls:.3f} Redis, {sqs_requests:.3f} SQS")
    print(f"{shape}: {redis_calls:.3f} Redis calls, {sqs_requests:.3f} SQS requests per node")
    assert redis_calls <= most_redis
    assert sqs_requests <= most_sqs
