"""Lambda's event source mapping between an SQS queue and a function, with partial batch failures.

Lambda runs a function on several batches at once, each in a process of its own. Here one process takes further batches
while those in hand wait, and none while it computes: then another process has the time for it.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

BATCH_SIZE = 10
WAIT_SECONDS = 20  # the longest poll that SQS has
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0  # seconds
ACCOUNT = "000000000000"
# A process that used less than this share of a processor in this time has time for another batch.
LOOK_SECONDS, BUSY_SHARE = 0.005, 0.5

Function = Callable[[dict[str, Any], Any], Any]

log = logging.getLogger(__name__)


class MalformedAnswer(ValueError):
    """The function's answer is not a partial batch response that AWS would accept."""


class LambdaContext:
    """The `context` of one invocation."""

    function_version = "$LATEST"
    memory_limit_in_mb = "1024"
    identity = None
    client_context = None

    def __init__(self, function_name: str, *, seconds: float, region: str = "us-east-1") -> None:
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = function_name
        self.invoked_function_arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function_name}"
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = f"local/[{self.function_version}]{uuid.uuid4().hex}"
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._end - time.monotonic()) * 1000))


class EventSourceMapping:
    """Receives batches from a queue, passes each to `function`, and deletes the messages not reported as failed."""

    def __init__(
        self,
        sqs: Any,
        queue_url: str,
        function: Function,
        *,
        name: str = "worker",
        region: str = "us-east-1",
        wait_seconds: int = WAIT_SECONDS,
        timeout_seconds: float = 60,
        concurrency: int = 1,
        batch_size: int = BATCH_SIZE,
        processor: Callable[[], float] = time.process_time,
        closed: Callable[[], bool] = lambda: False,
    ) -> None:
        """`concurrency`: how many batches it has in hand at most, of at most `batch_size` messages each. `processor`
        returns what the process has used of a processor.

        `closed` tells whether the function wants no further batch until those in hand have ended.
        """
        self._sqs = sqs
        self._url = queue_url
        self._function = function
        self._name = name
        self._region = region
        self._wait_seconds = wait_seconds
        self._timeout_seconds = timeout_seconds
        account, queue = queue_url.rstrip("/").split("/")[-2:]
        self._arn = f"arn:aws:sqs:{region}:{account}:{queue}"
        self._concurrency = concurrency
        self._batch_size = batch_size
        self._processor = processor
        self._closed = closed
        self._stopping = threading.Event()
        self._polling = threading.Lock()
        self._backoff = 0.0
        # How many batches are in hand. The mapping takes no further one once `stop` has been called.
        self._in_hand = 0
        self._changed = threading.Condition()

    def run(self) -> None:
        """Until `stop`. Whatever SQS raises is waited out: one line when it starts, one when it is over."""
        pollers = [
            threading.Thread(target=self._poll_on, name=f"{self._name}-{number}", daemon=True)
            for number in range(1, self._concurrency)
        ]
        for poller in pollers:
            poller.start()
        self._poll_on()
        for poller in pollers:
            poller.join()

    def _poll_on(self) -> None:
        """One of the pollers: they take turns at receiving, and each handles what it received."""
        while not self._stopping.is_set():
            with self._polling:
                self._wait_for_time()
                messages = [] if self._stopping.is_set() else self._try_receive()
                if messages and not self._begin():
                    return  # they come again after their visibility timeout, as on AWS
            if messages:
                try:
                    self.handle(messages)
                finally:
                    self._end()

    def _wait_for_time(self) -> None:
        """Until nothing is in hand, or what is in hand leaves the processor alone for a moment and may have company."""
        while self._in_hand and not self._stopping.is_set():
            used = self._processor()
            with self._changed:
                if self._changed.wait_for(lambda: not self._in_hand, LOOK_SECONDS):
                    return
            if self._processor() - used < LOOK_SECONDS * BUSY_SHARE and not self._closed():
                return

    def _begin(self) -> bool:
        with self._changed:
            if self._stopping.is_set():
                return False
            self._in_hand += 1
            return True

    def _end(self) -> None:
        with self._changed:
            self._in_hand -= 1
            self._changed.notify_all()

    def _try_receive(self) -> list[dict[str, Any]]:
        try:
            messages = self._receive()
        except Exception as error:  # botocore's errors have no common root
            if not self._backoff:
                log.warning("%s cannot receive, trying on: %s", self._name, error)
            self._backoff = min(max(FIRST_BACKOFF, self._backoff * 2), LAST_BACKOFF)
            self._stopping.wait(self._backoff)
            return []
        if self._backoff:
            log.info("%s receives again", self._name)
            self._backoff = 0.0
        return messages

    def poll(self) -> int:
        """Receive once and handle the batch. Returns the number of messages. Raises what boto3 raises."""
        messages = self._receive()
        if messages:
            self.handle(messages)
        return len(messages)

    def stop(self, *, seconds: float) -> bool:
        """Take no further batch, and wait for those in hand. False if that takes longer than `seconds`.

        The mapping cannot be used again: what a poll that is still open receives is left to come again.
        """
        with self._changed:
            self._stopping.set()
            return self._changed.wait_for(lambda: not self._in_hand, seconds)

    def handle(self, messages: Sequence[dict[str, Any]]) -> None:
        """Invoke the function once on these messages; delete those that succeeded."""
        event = {"Records": [record(message, arn=self._arn, region=self._region) for message in messages]}
        context = LambdaContext(self._name, seconds=self._timeout_seconds, region=self._region)
        ids = {message["MessageId"] for message in messages}
        try:
            failed = failures(self._function(event, context), ids)
        except Exception:  # as on AWS, the whole batch is delivered again
            log.exception("%s failed on a batch of %d", self._name, len(messages))
            return
        done = [message for message in messages if message["MessageId"] not in failed]
        if done:
            self._delete(done)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=self._batch_size,
            WaitTimeSeconds=self._wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _delete(self, messages: Sequence[dict[str, Any]]) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        try:
            refused = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
        except Exception as error:  # they are delivered again, and refused by their attempt number
            log.warning("%s could not delete %d messages: %s", self._name, len(entries), error)
            return
        if refused:
            log.warning("%s could not delete %d messages: %s", self._name, len(refused), refused[0].get("Code"))


def record(message: dict[str, Any], *, arn: str, region: str) -> dict[str, Any]:
    """One entry of `Records`, as Lambda makes it from ReceiveMessage's answer."""
    made = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        made["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return made


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        made["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        made["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return made


def failures(answer: Any, ids: set[str]) -> set[str]:
    """The ids of the messages that failed. Raises MalformedAnswer where AWS fails the whole batch.

    Null, an empty object, and an empty or null list mean that all succeeded.
    """
    try:
        answer = json.loads(json.dumps(answer))  # a function's answer travels as JSON
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"not JSON: {error}") from error
    if answer is None:
        return set()
    if not isinstance(answer, dict):
        raise MalformedAnswer(f"an object is expected, not {answer!r:.100}")
    entries = answer.get("batchItemFailures")
    if entries is None:
        return set()
    if not isinstance(entries, list):
        raise MalformedAnswer(f"batchItemFailures is not a list: {entries!r:.100}")
    failed = set()
    for entry in entries:
        identifier = entry.get("itemIdentifier") if isinstance(entry, dict) else None
        if not isinstance(identifier, str) or identifier not in ids:
            raise MalformedAnswer(f"no message of this batch: {entry!r:.100}")
        failed.add(identifier)
    return failed
