"""Messages on the wire, batches, and how they are combined."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.retry import Retry
from chalicelib.core.weight import BATCH, ROOM
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.errors import Unavailable
from chalicelib.handlers.api import Config, handler
from chalicelib.handlers.flow import noop
from chalicelib.queues import sqs
from chalicelib.queues.invoker import LambdaInvoker
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import BadMessage, decode, encode
from chalicelib.worker.sizing import Sizing
from scheduler.dispatch import InlineDispatch, LambdaDispatch

REF = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))

PLAN = Plan("w", [PlanNode(f"n{n}", "noop", (), {}, Retry(), None) for n in range(20)], {})


def message(node: int = 0, delay_ms: int = 0) -> Message:
    return Message(REF, (Ready(node, 1, delay_ms),))


def test_what_is_encoded_comes_back() -> None:
    sent = Message(REF, (Ready(3, 2, alone=True), Ready(4, 1)))
    assert decode(encode(sent)) == sent


@pytest.mark.parametrize(
    "body",
    ["", "x", "[]", "{}", "null", '"a"', '{"instance_id":1,"execution_id":2,"nodes":[]}', "[" * 5000],
)
def test_anything_else_is_a_bad_message(body: str) -> None:
    with pytest.raises(BadMessage):
        decode(body)


def test_hostile_ids_are_bad_messages() -> None:
    data = json.loads(encode(message()))
    for bad in ("in-{x}", REF.instance_id + ":due", "", None, 5):
        with pytest.raises(BadMessage):
            decode(json.dumps(data | {"instance_id": bad}))


@given(st.text())
def test_no_body_breaks_the_decoder(body: str) -> None:
    with pytest.raises(BadMessage):
        decode(body)


def test_batches_hold_ten_and_stay_under_the_size() -> None:
    assert [len(batch) for batch in sqs.batches([message(n) for n in range(25)])] == [10, 10, 5]
    large = [Message(REF, tuple(Ready(n, 1) for n in range(2000))) for _ in range(10)]
    batches = list(sqs.batches(large))
    assert sum(map(len, batches)) == 10
    assert all(sum(len(body) for _, body in batch) <= 262_144 for batch in batches)


@pytest.mark.parametrize(("room", "lengths"), [(3, [3, 3, 1]), (2, [2, 2, 2, 1])])
def test_a_batch_is_filled_to_the_last_byte(monkeypatch: pytest.MonkeyPatch, room: int, lengths: list[int]) -> None:
    messages = [message(n) for n in range(7)]
    assert sqs.MAX_BYTES == 262_144
    monkeypatch.setattr(sqs, "MAX_BYTES", room * len(encode(messages[0])))
    assert [len(batch) for batch in sqs.batches(messages)] == lengths
    monkeypatch.setattr(sqs, "MAX_BYTES", sqs.MAX_BYTES - 1)
    assert len(next(sqs.batches(messages))) == room - 1
    monkeypatch.setattr(sqs, "MAX_BYTES", 1)  # a message that is too large is sent, and refused, by itself
    assert [len(batch) for batch in sqs.batches(messages)] == [1] * 7


@pytest.mark.parametrize(
    ("delay", "seconds", "rest"),
    [(0, 0, 0), (1, 0, 1), (1000, 1, 0), (1001, 1, 1), (2999, 2, 999), (900_000, 900, 0), (10**9, 900, 0)],
)
def test_a_delay_is_whole_seconds_of_the_queue_and_the_rest_of_its_receiver(
    delay: int, seconds: int, rest: int
) -> None:
    delayed = message(delay_ms=delay)
    assert sqs.delay_seconds(delayed) == seconds
    assert decode(encode(delayed)) == message(delay_ms=rest)


def test_a_delay_that_no_queue_would_leave_is_bounded() -> None:
    body = encode(message()).replace('"attempt":1', '"attempt":1,"wait_ms":99999999')
    assert decode(body) == message(delay_ms=999)
    assert decode(body.replace("99999999", "-5")) == message()


class Client:
    """A client that gives prepared answers to send_message_batch, and records what was sent."""

    def __init__(self, *, failing: Collection[str] = (), broken: bool = False) -> None:
        self.failing, self.broken = failing, broken
        self.batches: list[list[dict[str, Any]]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if self.broken:
            raise OSError("away")
        self.batches.append(Entries)
        failed = [{"Id": entry["Id"], "Code": "x"} for entry in Entries if entry["Id"] in self.failing]
        return {"Failed": failed} if failed else {}  # as AWS does


def test_refused_entries_come_back_and_do_not_stop_the_others() -> None:
    client = Client(failing={"1"})
    messages = [message(n) for n in range(12)]
    assert sqs.SqsQueue(lambda: client, "u").send(messages) == [messages[1], messages[11]]
    assert sqs.SqsQueue(lambda: Client(broken=True), "u").send(messages) == messages


URL = "https://sqs.us-east-1.amazonaws.com/000000000000/dag"
ACCEPTED: dict[str, Any] = {"Successful": [], "Failed": []}


@pytest.fixture
def aws() -> Iterator[Stubber]:
    """A client of SQS that checks each request against AWS's model and the expected one, and sends nothing."""
    with Stubber(boto3.client("sqs")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def queue_on(aws: Stubber, carried: dict[str, str] | None = None) -> sqs.SqsQueue:
    return sqs.SqsQueue(lambda: aws.client, URL, lambda instance_id: carried or {})


def test_a_message_is_sent_with_its_delay_and_its_trace(aws: Stubber) -> None:
    messages = [message(1), message(2, delay_ms=2500)]
    trace = {"MessageAttributes": {"traceparent": {"DataType": "String", "StringValue": f"00-{REF.instance_id}"}}}
    entries = [
        {"Id": "0", "MessageBody": encode(messages[0]), "DelaySeconds": 0, **trace},
        {"Id": "1", "MessageBody": encode(messages[1]), "DelaySeconds": 2, **trace},
    ]
    aws.add_response("send_message_batch", ACCEPTED, {"QueueUrl": URL, "Entries": entries})
    queue = sqs.SqsQueue(lambda: aws.client, URL, lambda instance_id: {"traceparent": f"00-{instance_id}"})
    assert queue.send(messages) == []


def test_a_message_without_a_trace_has_no_attributes(aws: Stubber) -> None:
    entries = [{"Id": "0", "MessageBody": encode(message()), "DelaySeconds": 0}]
    aws.add_response("send_message_batch", ACCEPTED, {"QueueUrl": URL, "Entries": entries})
    assert queue_on(aws).send([message()]) == []


def test_what_sqs_refuses_is_logged_with_its_reason(aws: Stubber, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[dict[str, Any]] = [{"Code": "TooLong", "Message": "it is too long"}, {"Code": "Odd"}]
    failed = [{"Id": str(number), "SenderFault": True, **answer} for number, answer in enumerate(answers)]
    aws.add_response("send_message_batch", ACCEPTED | {"Failed": failed})
    aws.add_client_error("send_message_batch", "Throttling", "slow down")
    messages = [message(n) for n in range(11)]
    assert queue_on(aws).send(messages) == [messages[0], messages[1], messages[10]]
    *each, batch = ((r.levelno, r.getMessage(), vars(r)) for r in caplog.records)
    ref = {"instance_id": REF.instance_id, "execution_id": REF.execution_id}
    for (level, event, fields), error in zip(each, ("it is too long", "Odd"), strict=True):
        assert (level, event) == (logging.WARNING, "queue refused a message")
        assert fields.items() >= (ref | {"error": error}).items()
    assert batch[:2] == (logging.WARNING, "queue refused a batch")
    assert batch[2]["instances"] == [REF.instance_id] and "slow down" in batch[2]["error"]


def test_the_backlog_is_what_waits_for_a_worker(aws: Stubber) -> None:
    name = "ApproximateNumberOfMessages"
    for _ in range(2):
        aws.add_response(
            "get_queue_attributes", {"Attributes": {name: "12"}}, {"QueueUrl": URL, "AttributeNames": [name]}
        )
    queue = queue_on(aws)
    queue.ping()
    assert queue.backlog() == 12


def test_a_queue_that_does_not_answer_is_unavailable(aws: Stubber) -> None:
    aws.add_client_error("get_queue_attributes", "AccessDenied", "not for you")
    aws.add_response("get_queue_attributes", {"Attributes": {}})
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^the queue cannot be reached: .*(not for you|ApproximateNumber)"):
            queue_on(aws).ping()


def test_the_scheduler_function_is_invoked_without_waiting_for_its_end() -> None:
    with Stubber(boto3.client("lambda")) as aws:
        payload = json.dumps({"instance_id": REF.instance_id, "traceparent": f"00-{REF.instance_id}"}).encode()
        request = {"FunctionName": "scheduler", "InvocationType": "Event", "Payload": payload}
        aws.add_response("invoke", {"StatusCode": 202}, request)
        carrier = lambda instance_id: {"traceparent": f"00-{instance_id}"}  # noqa: E731
        LambdaInvoker(lambda: aws.client, "scheduler", carrier).invoke(REF.instance_id)
        aws.assert_no_pending_responses()


def test_a_queue_in_memory_loses_and_doubles_some_messages_and_handles_the_others() -> None:
    queue = MemoryQueue(seed=1, lose=0.3, double=0.3)
    assert queue.send([message(n) for n in range(100)]) == [] and queue.sent == 100
    bodies = queue.take(1000)
    taken = [decode(body).nodes[0].node for body in bodies]
    assert 50 < len(set(taken)) < 90 and len(taken) > len(set(taken)) + 10
    assert taken != sorted(taken) and {taken.count(node) for node in taken} == {1, 2}
    assert queue.backlog() == 0
    sure = MemoryQueue()
    sure.send([message(n) for n in range(12)])
    assert [decode(body).nodes[0].node for body in sure.take()] == list(range(10)) and sure.backlog() == 2


class SlowQueue:
    """A queue that holds the first send until it is released, so that others pile up."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.batches: list[int] = []

    def send(self, messages: Any) -> list[Message]:
        self.go.wait(5)
        self.batches.append(len(messages))
        return []

    def ping(self) -> None: ...

    def backlog(self) -> int:
        return 0


def test_the_outbox_combines_what_piles_up_behind_a_send() -> None:
    queue = SlowQueue()
    dispatch = InlineDispatch(queue, resend_ms=1, weight=lambda _: 100, room=100)
    first, *others = (threading.Thread(target=dispatch.send, args=(REF, PLAN, [Ready(n, 1)])) for n in range(13))
    first.start()
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(1)  # they leave their messages and return
    queue.go.set()
    first.join()
    assert sum(queue.batches) == 13 and max(queue.batches) == 10


class Invoker:
    def __init__(self, broken: bool = False) -> None:
        self.invoked: list[str] = []
        self.broken = broken

    def invoke(self, instance_id: str) -> None:
        if self.broken:
            raise OSError("throttled")
        self.invoked.append(instance_id)


def test_who_sends_is_a_setting(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    queue = sqs.SqsQueue(lambda: client, "u")
    options: dict[str, Any] = {"resend_ms": 1, "weight": lambda _: 100, "room": 100}
    inline = InlineDispatch(queue, **options)
    assert inline.by.taken
    inline.unblocked(REF, PLAN, [Ready(1, 1), Ready(2, 1)])
    assert [len(batch) for batch in client.batches] == [2]
    invoker = Invoker()
    by_lambda = LambdaDispatch(queue, invoker, **options)
    assert not by_lambda.by.taken
    by_lambda.unblocked(REF, PLAN, [Ready(1, 1)])
    by_lambda.unblocked(REF, PLAN, [])
    assert invoker.invoked == [REF.instance_id] and len(client.batches) == 1
    LambdaDispatch(queue, Invoker(broken=True), **options).unblocked(REF, PLAN, [Ready(1, 1)])
    [record] = caplog.records
    assert (record.levelname, record.message) == ("WARNING", "scheduler not invoked")
    fields = {"instance_id": REF.instance_id, "execution_id": REF.execution_id, "error": "throttled"}
    assert vars(record).items() >= fields.items()


def test_a_message_holds_what_there_is_room_for() -> None:
    queue = MemoryQueue()
    costs = {"instant": 1, "short": 10, "slow": 100}
    names = ["instant"] * 150 + ["short"] * 25 + ["slow"] * 2
    plan = Plan("w", [PlanNode(f"n{n}", name, (), {}, Retry(), None) for n, name in enumerate(names)], {})
    dispatch = InlineDispatch(queue, resend_ms=1, weight=costs.__getitem__, room=100)
    dispatch.send(REF, plan, [Ready(n, 1) for n in range(len(names))])
    held = [[ready.node for ready in decode(body).nodes] for body in queue.bodies]
    assert [len(nodes) for nodes in held] == [100, 55, 10, 10, 1, 1]
    assert [node for nodes in held for node in nodes] == list(range(len(names)))
    queue.bodies.clear()
    dispatch.send(REF, plan, [Ready(0, 2, 500), Ready(1, 2, 700)])
    assert len(queue.bodies) == 2


def test_pace_learns_which_handlers_are_short() -> None:
    @handler("unknown_yet")
    def unknown_yet(config: Config) -> None: ...

    sizing = Sizing({"noop": noop, "unknown_yet": unknown_yet}, waiting_nodes=200)
    assert (sizing.size("noop"), sizing.size("unknown_yet"), sizing.size("gone")) == (1, 100, 1)
    sizing.note("unknown_yet", 0.001)
    assert sizing.size("unknown_yet") == 10
    for _ in range(20):
        sizing.note("unknown_yet", 0.05)
    assert sizing.size("unknown_yet") == 100


@pytest.mark.parametrize(("nodes", "weight"), [(1, 100), (10, 100), (11, 91), (200, 5), (400, 3)])
def test_nodes_that_wait_share_an_invocation(nodes: int, weight: int) -> None:
    @handler("declared", waits=True)
    def declared(config: Config) -> None: ...

    @handler("asynchronous")
    async def asynchronous(config: Config) -> None: ...

    @handler("computes", waits=False)
    async def computes(config: Config) -> None: ...

    @handler("measured")
    def measured(config: Config) -> None: ...

    handlers = {one.name: one for one in (declared, asynchronous, computes, measured)}
    sizing = Sizing(handlers, waiting_nodes=nodes)
    assert [sizing.size(name) for name in handlers] == [weight, weight, 100, 100]
    sizing.note("measured", 0.5)
    assert sizing.size("measured") == 100  # nothing has told yet what it did in that time
    sizing.computed("measured", 0.4)
    assert sizing.size("measured") == 100
    for _ in range(20):
        sizing.computed("measured", 0.001)
    assert sizing.size("measured") == weight
    assert nodes * weight >= BATCH * ROOM or weight == ROOM


def test_backoff_is_full_jitter_up_to_its_ceiling_and_ends() -> None:
    retry = Retry(max_attempts=5, initial_backoff_seconds=1, backoff_multiplier=3, max_backoff_seconds=10)
    assert [retry.delay_ms(n, lambda low, high: high) for n in (1, 2, 3, 4)] == [1000, 3000, 9000, 10_000]
    assert retry.delay_ms(1, lambda low, high: low) == 0
    assert retry.delay_ms(5, lambda low, high: high) is None
    forever = Retry(max_attempts=10**6, backoff_multiplier=100, max_backoff_seconds=7)
    assert forever.delay_ms(10**5, lambda low, high: high) == 7000
