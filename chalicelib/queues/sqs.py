"""The queue on Amazon SQS, by boto3. Only this module calls SQS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chalicelib.core.work import MAX_DELAY_MS, Message
from chalicelib.errors import Unavailable
from chalicelib.queues.message import encode
from chalicelib.tracing.tracer import Carrier, nothing

MAX_ENTRIES = 10
# SQS has taken 1 MiB a request since 2025; emulators and older partitions take 256 KiB. A message has some 200 bytes.
MAX_BYTES = 256 * 1024

log = logging.getLogger(__name__)


class SqsQueue:
    """See queues/protocol.py. `client` returns the boto3 client, and is first called by the first request.

    `carrier` returns the trace of an instance, which is sent as message attributes.
    """

    def __init__(self, client: Callable[[], Any], url: str, carrier: Carrier = nothing) -> None:
        self._client = client
        self._url = url
        self._carrier = carrier

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Send in batches of 10. A refused entry or request does not stop the others."""
        refused: list[Message] = []
        for batch in batches(messages):
            entries = [
                {"Id": str(number), "MessageBody": body, "DelaySeconds": delay_seconds(message)} | self._trace(message)
                for number, (message, body) in enumerate(batch)
            ]
            try:
                answer = self._client().send_message_batch(QueueUrl=self._url, Entries=entries)
            except Exception as error:  # botocore's errors have no common root
                instances = sorted({message.ref.instance_id for message, _ in batch})
                log.warning("queue refused a batch", extra={"instances": instances, "error": str(error)})
                refused += [message for message, _ in batch]
                continue
            for failed in answer.get("Failed", []):
                message = batch[int(failed["Id"])][0]
                fields = {"instance_id": message.ref.instance_id, "execution_id": message.ref.execution_id}
                why = failed.get("Message") or failed.get("Code")
                log.warning("queue refused a message", extra=fields | {"error": why})
                refused.append(message)
        return refused

    def _trace(self, message: Message) -> dict[str, Any]:
        carried = self._carrier(message.ref.instance_id)
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in carried.items()}
        return {"MessageAttributes": attributes} if attributes else {}

    def ping(self) -> None:
        self.backlog()

    def backlog(self) -> int:
        name = "ApproximateNumberOfMessages"
        try:
            answer = self._client().get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
            return int(answer["Attributes"][name])
        except Exception as error:
            raise Unavailable(f"the queue cannot be reached: {error}") from error


def delay_seconds(message: Message) -> int:
    """Whole seconds, rounded down: the message says how much longer its receiver waits (message.py)."""
    return min(MAX_DELAY_MS, max(ready.delay_ms for ready in message.nodes)) // 1000


def batches(messages: Sequence[Message]) -> Iterator[list[tuple[Message, str]]]:
    """Groups of at most 10 messages and 256 KiB, each message with its body."""
    batch: list[tuple[Message, str]] = []
    size = 0
    for message in messages:
        body = encode(message)
        if batch and (len(batch) == MAX_ENTRIES or size + len(body) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((message, body))
        size += len(body)
    if batch:
        yield batch
