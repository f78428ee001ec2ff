"""The event source mapping behaves as AWS documents it: events, partial failures, deletion."""

from __future__ import annotations

import base64
import itertools
import threading
from typing import Any

import pytest

from local.mapping import EventSourceMapping, LambdaContext, MalformedAnswer, failures, record
from tests.support.servers import QueuePair

URL = "http://sqs.us-east-1.localhost:4566/000000000000/dag-service"


def message(number: int, **extra: Any) -> dict[str, Any]:
    return {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": "x", "MD5OfBody": "md5", **extra}


class FakeSqs:
    """A client that answers scripted receives in turn, then stops the mapping, and records what was deleted."""

    def __init__(self, *answers: list[dict[str, Any]] | Exception) -> None:
        self.answers = list(answers)
        self.deleted: list[str] = []
        self.mapping: EventSourceMapping | None = None

    def receive_message(self, **_: Any) -> dict[str, Any]:
        if not self.answers:
            assert self.mapping is not None
            self.mapping._stopping.set()
            return {}
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Messages": answer}

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]
        return {}


def deleted(answer: Any) -> list[str]:
    """Return the receipt handles that a mapping deletes if the function answers (or raises) this for three messages."""

    def function(event: dict[str, Any], context: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    sqs = FakeSqs()
    EventSourceMapping(sqs, URL, function).handle([message(number) for number in range(3)])
    return sqs.deleted


@pytest.mark.parametrize(
    "answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}], ids=["none", "empty", "list", "null"]
)
def test_all_went_well(answer: Any) -> None:
    assert deleted(answer) == ["r0", "r1", "r2"]


@pytest.mark.parametrize("size", [10, 1])
def test_a_batch_has_at_most_so_many_messages(size: int) -> None:
    asked: list[int] = []

    class Sqs(FakeSqs):
        def receive_message(self, **options: Any) -> dict[str, Any]:
            asked.append(options["MaxNumberOfMessages"])
            return {}

    assert EventSourceMapping(Sqs(), URL, lambda event, context: None, batch_size=size).poll() == 0
    assert asked == [size]


def test_what_failed_stays() -> None:
    assert deleted({"batchItemFailures": [{"itemIdentifier": "m1"}]}) == ["r0", "r2"]


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("boom"),
        "ok",
        {"batchItemFailures": "m1"},
        {"batchItemFailures": ["m1"]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"id": "m1"}]},
        {"batchItemFailures": [{"itemIdentifier": "m9"}]},
        {"batchItemFailures": [], "extra": object()},
    ],
    ids=str,
)
def test_a_malformed_answer_fails_the_whole_batch(answer: Any) -> None:
    assert deleted(answer) == []
    if not isinstance(answer, Exception):
        with pytest.raises(MalformedAnswer):
            failures(answer, {"m0", "m1"})


def test_a_record_is_what_lambda_makes_of_a_message() -> None:
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1", "SenderId": "a"}
    made = record(
        message(
            1,
            Attributes=attributes,
            MessageAttributes={
                "text": {"StringValue": "v", "DataType": "String"},
                "bytes": {"BinaryValue": b"\x00\xff", "DataType": "Binary"},
            },
            MD5OfMessageAttributes="md5a",
        ),
        arn="arn:aws:sqs:us-east-1:000000000000:dag-service",
        region="us-east-1",
    )
    lists: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    assert made == {
        "messageId": "m1",
        "receiptHandle": "r1",
        "body": "x",
        "attributes": attributes,
        "messageAttributes": {
            "text": {"stringValue": "v", "dataType": "String", **lists},
            "bytes": {"binaryValue": base64.b64encode(b"\x00\xff").decode(), "dataType": "Binary", **lists},
        },
        "md5OfBody": "md5",
        "md5OfMessageAttributes": "md5a",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:dag-service",
        "awsRegion": "us-east-1",
    }


def test_trouble_with_the_queue_is_waited_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.mapping.FIRST_BACKOFF", 0.001)
    sqs = FakeSqs(OSError("away"), OSError("away"), [message(1)])
    sqs.mapping = EventSourceMapping(sqs, URL, lambda event, context: None)
    with caplog.at_level("INFO", "local.mapping"):
        sqs.mapping.run()
    assert sqs.deleted == ["r1"]
    assert [entry.getMessage() for entry in caplog.records] == [
        "worker cannot receive, trying on: away",
        "worker receives again",
    ]


def test_stop_waits_for_the_batch_in_hand() -> None:
    started, finish = threading.Event(), threading.Event()

    def function(event: dict[str, Any], context: Any) -> None:
        started.set()
        finish.wait(10)

    sqs = FakeSqs([message(1)])
    sqs.mapping = mapping = EventSourceMapping(sqs, URL, function)
    thread = threading.Thread(target=mapping.run)
    thread.start()
    assert started.wait(10)
    assert not mapping.stop(seconds=0.01)
    finish.set()
    assert mapping.stop(seconds=10)
    thread.join(10)
    assert sqs.deleted == ["r1"]


def most_at_once(sqs: FakeSqs, concurrency: int, *, waiting: int, seconds: float = 10, **options: Any) -> int:
    """Return how many batches are held at once at most, if each ends once `waiting` are held, or after `seconds`."""
    counting, here = threading.Condition(), 0
    most = 0

    def function(event: dict[str, Any], context: Any) -> None:
        nonlocal here, most
        with counting:
            here += 1
            most = max(most, here)
            counting.notify_all()
            counting.wait_for(lambda: most >= waiting, seconds)
        with counting:
            here -= 1

    sqs.mapping = EventSourceMapping(sqs, URL, function, concurrency=concurrency, **options)
    sqs.mapping.run()
    return most


def test_further_batches_are_taken_while_those_in_hand_wait() -> None:
    sqs = FakeSqs(*([message(number)] for number in range(4)))
    assert most_at_once(sqs, 3, waiting=3, processor=lambda: 0.0) == 3
    assert sorted(sqs.deleted) == ["r0", "r1", "r2", "r3"]


def test_no_further_batch_is_taken_while_one_computes() -> None:
    """Another process has time for the batch."""
    sqs = FakeSqs(*([message(number)] for number in range(3)))
    used = itertools.count()
    assert most_at_once(sqs, 3, waiting=2, processor=lambda: float(next(used)), seconds=0.1) == 1
    assert sorted(sqs.deleted) == ["r0", "r1", "r2"]


def test_no_further_batch_is_taken_while_one_wants_to_be_alone() -> None:
    sqs = FakeSqs(*([message(number)] for number in range(3)))
    assert most_at_once(sqs, 3, waiting=2, processor=lambda: 0.0, closed=lambda: True, seconds=0.1) == 1
    assert sorted(sqs.deleted) == ["r0", "r1", "r2"]


def test_the_context_counts_down() -> None:
    context = LambdaContext("worker", seconds=60)
    assert 59_000 < context.get_remaining_time_in_millis() <= 60_000
    assert LambdaContext("worker", seconds=-1).get_remaining_time_in_millis() == 0
    assert context.invoked_function_arn == "arn:aws:lambda:us-east-1:000000000000:function:worker"


def test_on_a_real_queue_what_failed_comes_again(queue_urls: QueuePair) -> None:
    """The first delivery of `bad` fails, the second succeeds; `good` comes once."""
    seen: list[tuple[str, str]] = []
    over = threading.Event()

    def function(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failed = []
        for entry in event["Records"]:
            count = entry["attributes"]["ApproximateReceiveCount"]
            seen.append((entry["body"], count))
            assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= entry["attributes"].keys()
            assert entry["eventSourceARN"].startswith("arn:aws:sqs:us-east-1:000000000000:test-")
            if entry["body"] == "bad" and count == "1":
                failed.append({"itemIdentifier": entry["messageId"]})
            elif entry["body"] == "bad":
                over.set()
        return {"batchItemFailures": failed}

    for body in ("good", "bad"):
        queue_urls.client.send_message(QueueUrl=queue_urls.url, MessageBody=body)
    mapping = EventSourceMapping(queue_urls.client, queue_urls.url, function, wait_seconds=1)
    thread = threading.Thread(target=mapping.run)
    thread.start()
    try:
        assert over.wait(15)
    finally:
        assert mapping.stop(seconds=10)
        thread.join(10)
    assert sorted(seen) == [("bad", "1"), ("bad", "2"), ("good", "1")]
