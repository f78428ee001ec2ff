"""The promises of every queue, tested on the real one and on the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import decode
from chalicelib.queues.protocol import Queue
from chalicelib.queues.sqs import SqsQueue

REF = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))


@dataclass(frozen=True)
class Both:
    """A queue, and a function that takes the bodies out of it."""

    queue: Queue
    take: Callable[[], list[str]]


@pytest.fixture(params=["memory", "sqs"])
def both(request: pytest.FixtureRequest) -> Both:
    if request.param == "memory":
        memory = MemoryQueue()
        return Both(memory, memory.take)
    urls = request.getfixturevalue("queue_urls")

    def take() -> list[str]:
        answer: dict[str, Any] = urls.client.receive_message(QueueUrl=urls.url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            urls.client.delete_message(QueueUrl=urls.url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in answer.get("Messages", [])]

    return Both(SqsQueue(lambda: urls.client, urls.url), take)


def test_what_is_sent_can_be_taken_and_the_backlog_is_what_waits(both: Both) -> None:
    both.queue.ping()
    assert both.queue.backlog() == 0
    sent = [Message(REF, (Ready(node, 1),)) for node in range(12)]
    assert both.queue.send(sent) == []
    assert both.queue.backlog() == 12
    taken: list[str] = []
    while bodies := both.take():
        taken += bodies
        assert both.queue.backlog() == 12 - len(taken)
    assert sorted(decode(body).nodes[0].node for body in taken) == list(range(12))
