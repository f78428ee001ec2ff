"""The engine over real SQS (LocalStack): whole runs, delayed retries, partial batches, and the dead-letter queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.composition import Application
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.sqs import SqsQueue
from chalicelib.settings import Settings
from local.mapping import EventSourceMapping
from tests.support.harness import by_messages, run, some, wait_until
from tests.support.servers import QueuePair


@handler("second_time")
def second_time(config: Config, context: Context) -> int:
    if context.attempt == 1:
        raise RuntimeError("not yet")
    return context.attempt


@pytest.fixture
def app(valkey_url: str, queue_urls: QueuePair, localstack_url: str) -> Iterator[Application]:
    app = Application(Settings(redis_url=valkey_url, queue_url=queue_urls.url, aws_endpoint_url=localstack_url))
    app.queue = SqsQueue(lambda: queue_urls.client, queue_urls.url)
    app.handlers = app.handlers | {"second_time": second_time}
    yield app
    app.redis.close()


def mapping(queue_urls: QueuePair, url: str, function: Any) -> EventSourceMapping:
    return EventSourceMapping(queue_urls.client, url, function, wait_seconds=1)


def test_a_retry_comes_back_after_its_delay(app: Application, queue_urls: QueuePair) -> None:
    app.uniform = lambda a, b: b
    policy = {"max_attempts": 2, "initial_backoff_seconds": 1}
    nodes = [{"id": "a", "handler": "second_time", "dependencies": [], "retry_policy": policy}]
    instance_id = run(app, {"name": "w", "dag": {"nodes": nodes}})
    source = mapping(queue_urls, queue_urls.url, app.worker.handle)
    wait_until(lambda: source.poll() is not None and app.status.of(instance_id).status.terminal, what="the end")
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].attempt == 2
    record = some(app.store.snapshot(instance_id)).records[0]
    assert some(record.started_at) - some(record.queued_at) >= 1000


def test_a_message_that_no_worker_can_take_is_a_lost_attempt(app: Application, queue_urls: QueuePair) -> None:
    """SQS moves the message after five receives; the consumer of the dead-letter queue sends another attempt."""
    nodes = [
        {"id": "a", "handler": "noop", "dependencies": []},
        {"id": "b", "handler": "noop", "dependencies": ["a"]},
    ]
    instance_id = run(by_messages(app), {"name": "w", "dag": {"nodes": nodes}})
    received = []

    def broken(event: dict[str, Any], context: Any) -> dict[str, Any]:
        received.extend(event["Records"])
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}

    source = mapping(queue_urls, queue_urls.url, broken)
    dead = mapping(queue_urls, queue_urls.dead_letter_url, app.dead_letters.handle)
    wait_until(lambda: [source.poll(), dead.poll()][1] > 0, seconds=40, what="a dead letter")
    assert [record["attributes"]["ApproximateReceiveCount"] for record in received] == ["1", "2", "3", "4", "5"]
    view = app.status.of(instance_id)
    assert some(view.nodes["a"].error).type == "DeadLettered" and view.nodes["a"].attempt == 2
    assert dead.poll() == 0
    # Another attempt is already in the queue, for a worker that can take it.
    able = mapping(queue_urls, queue_urls.url, app.worker.handle)
    wait_until(lambda: able.poll() and app.status.of(instance_id).status == "COMPLETED", what="the end")
