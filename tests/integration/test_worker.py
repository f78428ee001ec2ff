"""The worker on a real store: retries, deadlines, bad results, poison, leases, dead letters, scheduling."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import Field

from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.core.calls import Wanted
from chalicelib.core.weight import ROOM
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.errors import DoNotRetry, Unavailable
from chalicelib.handlers import Config, Context, handler
from chalicelib.models.views import StatusView
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import encode
from chalicelib.settings import Settings
from chalicelib.worker.run_loop import spawn
from chalicelib.worker.worker import MARGIN_SECONDS
from scheduler.dispatch import LambdaDispatch
from tests.support.harness import application, drain, results_of, run, some, sqs_event, wait_until
from tests.support.invariants import check_invariants

calls: list[tuple[str, int, str]] = []


class Does(Config):
    what: str = ""
    value: Any = None
    deep: dict[str, str] = Field(default_factory=dict)


@handler("does")
def does(config: Does, context: Context) -> Any:
    calls.append((context.node_id, context.attempt, context.idempotency_key))
    if config.what == "fail":
        raise RuntimeError("it broke " + "x" * 5000)
    if config.what == "fail once" and context.attempt == 1:
        raise ValueError("the first time")
    if config.what == "never again":
        raise DoNotRetry("hopeless")
    if config.what == "sleep":
        time.sleep(0.5)
    if config.what == "hang once" and context.attempt == 1:
        time.sleep(3)
    if config.what == "object":
        return object()
    if config.what == "nan":
        return float("nan")
    if config.what == "large":
        return "x" * 10_000
    return config.value


@handler("waits_async")
async def waits_async(config: Config) -> None:
    import asyncio

    await asyncio.sleep(10)


Make = Callable[..., tuple[Application, MemoryQueue]]


@pytest.fixture
def make(valkey_url: str) -> Iterator[Make]:
    made: list[Application] = []

    def build(**settings: Any) -> tuple[Application, MemoryQueue]:
        queue = MemoryQueue()
        app = application(valkey_url, queue, [does, waits_async], **settings)
        made.append(app)
        calls.clear()
        return app, queue

    yield build
    for app in made:
        app.redis.close()


def node(id: str, *dependencies: str, handler: str = "does", **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies)} | more


def finish(app: Application, queue: MemoryQueue, *nodes: dict[str, Any], params: Any = None) -> StatusView:
    instance_id = run(app, {"name": "w", "dag": {"nodes": list(nodes)}}, params)
    drain(app, queue)
    check_invariants(app.redis, instance_id)
    return app.status.of(instance_id)


OF_A = {"value": "{{ a }}"}
FAST: dict[str, Any] = {"retry_policy": {"max_attempts": 3, "initial_backoff_seconds": 0}}


def test_a_workflow_with_templates(make: Make) -> None:
    app, queue = make()
    view = finish(
        app,
        queue,
        node("input", handler="input", config={"a": 1, "b": 2}),
        node("x", "input", config={"value": {"{{ params.key }}": ["{{ input.a }}", "b is {{ input.b }}"]}}),
        node("output", "x", handler="output"),
        params={"b": 7, "key": "k"},
    )
    assert view.status == "COMPLETED"
    results = results_of(app, some(view.instance_id))
    assert results.output == {"x": {"k": [1, "b is 7"]}}
    assert results.results["input"] == {"a": 1, "b": 7, "key": "k"}


def test_retries_keep_the_idempotency_key(make: Make) -> None:
    app, queue = make()
    view = finish(app, queue, node("a", config={"what": "fail once", "value": 5}, **FAST))
    assert view.status == "COMPLETED"
    assert [call[1] for call in calls] == [1, 2] and len({call[2] for call in calls}) == 1
    assert view.nodes["a"].attempt == 2 and view.nodes["a"].error is None


def test_a_node_out_of_attempts_fails_with_a_bounded_error(make: Make) -> None:
    app, queue = make()
    view = finish(app, queue, node("a", config={"what": "fail"}, **FAST), node("b", "a"), node("c"))
    assert view.status == "FAILED" and some(view.error).node == "a"
    assert {id: n.status for id, n in view.nodes.items()} == {"a": "FAILED", "b": "SKIPPED", "c": "COMPLETED"}
    error = some(view.nodes["a"].error)
    assert error.type == "RuntimeError" and error.message.startswith("it broke") and len(error.message) <= 2000
    assert "does" in some(error.traceback) and len(some(error.traceback)) <= 4100
    assert sum(1 for call in calls if call[0] == "a") == 3
    assert results_of(app, some(view.instance_id)).output == {"c": None}


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"what": "never again"}, "hopeless"),
        ({"what": "object"}, "not JSON"),
        ({"what": "nan"}, "NaN"),
        ({"what": "large"}, "MAX_RESULT_BYTES"),
        ({"value": "{{ params.missing.x }}"}, "has no `missing`"),
        ({"what": "{{ params.number }}"}, "does not fit `does` once its templates are filled in: what: Input should"),
        ({"deep": {"inner": "{{ params.number }}"}}, "filled in: deep.inner: Input should be a valid string"),
    ],
)
def test_what_no_retry_can_mend_fails_at_once(make: Make, config: dict[str, Any], word: str) -> None:
    app, queue = make(max_result_bytes=5000)
    view = finish(app, queue, node("a", config=config, **FAST), params={"number": 3})
    assert view.status == "FAILED" and view.nodes["a"].attempt == 1
    assert word in some(view.nodes["a"].error).message


@pytest.mark.parametrize("which", [{"config": {"what": "sleep"}}, {"handler": "waits_async"}])
def test_timeout_seconds_holds(make: Make, which: dict[str, Any]) -> None:
    app, queue = make()
    view = finish(app, queue, node("a", timeout_seconds=0.1, **which))
    assert some(view.nodes["a"].error).type == "TimeoutError" and "0.1 s" in some(view.nodes["a"].error).message


def test_a_handler_that_this_worker_lacks(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    del app.handlers["does"]
    drain(app, queue)
    assert "HANDLER_MODULES" in some(app.status.of(instance_id).nodes["a"].error).message


def test_a_message_nobody_can_parse_fails_alone(make: Make) -> None:
    app, queue = make()
    run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    answer = app.worker.handle(sqs_event(["rubbish", *queue.take()]))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert [call[0] for call in calls] == ["a"]


def test_a_store_that_is_away_brings_the_message_again(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    body = queue.take()
    lost = Application(Settings(redis_url="redis://127.0.0.1:1/0"))
    lost.queue, lost.handlers = queue, app.handlers
    import redis

    from chalicelib.store.redis_store import RedisStore

    client = redis.Redis(port=1, socket_connect_timeout=0.1)
    lost.store = RedisStore(client, retention_seconds=1, workflow_retention_seconds=1, idempotency_seconds=1)
    assert lost.worker.handle(sqs_event(body)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert app.worker.handle(sqs_event(body)) == {"batchItemFailures": []}
    assert app.status.of(instance_id).status == "COMPLETED"


def test_the_batch_mates_of_a_lost_worker_lose_no_attempt(make: Make) -> None:
    app, queue = make(max_lost=3)
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a"), node("b")]}})
    queue.take()
    # A worker claims both and dies; the lease is over at once.
    for _ in range(2):
        for number in (0, 1):
            attempt = some(app.store.snapshot(instance_id)).records[number].attempt
            app.store.claim(instance_id, owner="gone", lease_ms=0, wanted=[Wanted(number, attempt, ())])
        app.sweep.run()
        queue.take()
    view = app.status.of(instance_id)
    assert view.nodes["a"].attempt == 3 and some(view.nodes["a"].error).type == "WorkerLost"
    app.redis.zadd(app_due(instance_id), {"0": 0, "1": 0})
    app.redis.zadd(app_index(instance_id), {instance_id: 0})
    app.sweep.run()
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].error is None  # max_attempts is 1, and was not used up


def lose(app: Application, instance_id: str, *nodes: int) -> None:
    """Let a worker claim these and die, and let the sweep find out."""
    for number in nodes:
        app.store.claim(instance_id, owner="gone", lease_ms=0, wanted=[Wanted(number, 1, ())])
    app.sweep.run()


def test_of_the_nodes_that_lost_a_lease_one_is_claimed_at_a_time(make: Make) -> None:
    """So the node that kills its worker takes no other down, however often it is tried."""
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a"), node("b"), node("c")]}})
    first = queue.take()
    lose(app, instance_id, 0, 1)
    lost, fresh = queue.take(), first[2]
    assert len(lost) == 2 and "alone" not in fresh
    assert app.worker.handle(sqs_event([lost[0], lost[1], fresh])) == {"batchItemFailures": []}
    records = some(app.store.snapshot(instance_id)).records
    assert [records[number].state for number in range(3)] == ["C", "Q", "C"]
    assert [name for name, _, _ in calls] == ["c", "a"]  # alone, after everything else
    assert queue.bodies == [lost[1]]
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"


def test_a_node_that_runs_alone_has_its_time(make: Make) -> None:
    """If too little of an invocation is left after the rest of its batch, another invocation takes the node."""
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a", timeout_seconds=500), node("b")]}})
    first = queue.take()
    lose(app, instance_id, 0)
    lost = queue.take()

    class Short:
        def get_remaining_time_in_millis(self) -> int:
            return 60_000

    assert app.worker.handle(sqs_event([*lost, first[1]]), Short()) == {"batchItemFailures": []}
    assert some(app.store.snapshot(instance_id)).records[0].state == "Q" and queue.bodies == lost
    # If it is the only one it is not sent on, since no other invocation may have more time than this one.
    assert app.worker.handle(sqs_event(queue.take()), Short()) == {"batchItemFailures": []}
    assert app.status.of(instance_id).status == "COMPLETED"


def test_a_retry_after_a_lost_lease_still_runs_alone(make: Make) -> None:
    app, queue = make()
    policy = {"max_attempts": 2, "initial_backoff_seconds": 0}
    nodes = [node("a", config={"what": "fail"}, retry_policy=policy)]
    instance_id = run(app, {"name": "w", "dag": {"nodes": nodes}})
    queue.take()
    lose(app, instance_id, 0)
    app.worker.handle(sqs_event(queue.take()))
    assert [json.loads(body)["nodes"] for body in queue.bodies] == [[{"node": 0, "attempt": 3, "alone": True}]]
    drain(app, queue)
    assert app.status.of(instance_id).status == "FAILED"


def app_due(instance_id: str) -> str:
    from chalicelib.store import keys

    return keys.instance(instance_id)[5]


def app_index(instance_id: str) -> str:
    from chalicelib.store import keys

    return keys.instance(instance_id)[9]


def test_the_heart_keeps_a_lease_that_is_shorter_than_the_handler(make: Make) -> None:
    app, queue = make(lease_seconds=0.15)
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a", config={"what": "sleep"})]}})
    thread = threading.Thread(target=drain, args=(app, queue))
    thread.start()
    while thread.is_alive():
        app.sweep.run()
        time.sleep(0.02)
    thread.join()
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].attempt == 1 and len(calls) == 1


def test_a_child_whose_results_cannot_be_read_is_let_go(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app, queue = make(lease_seconds=0.1)
    instance_id = run(
        app,
        {"name": "w", "dag": {"nodes": [node("a"), node("b", "a", handler="noop"), node("c", "b", config=OF_A)]}},
    )
    read, asked = app.store.results, []

    def away_once(*arguments: Any) -> dict[int, bytes]:
        asked.append(arguments)
        if len(asked) == 1:
            raise Unavailable("the store is away for a moment")
        return read(*arguments)

    monkeypatch.setattr(app.store, "results", away_once)
    drain(app, queue)
    assert asked and app.status.of(instance_id).status == "RUNNING"

    def over() -> bool:
        app.sweep.run()
        drain(app, queue)
        return app.status.of(instance_id).status == "COMPLETED"

    wait_until(over, what="the lease that nobody keeps is over")


class Ending:
    """The context of an invocation that has this many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * (self._end - time.monotonic()))


def test_a_node_that_its_invocation_cuts_off_loses_no_attempt(make: Make) -> None:
    app, queue = make(lease_seconds=0.1)
    instance_id = run(
        app, {"name": "w", "dag": {"nodes": [node("a", config={"what": "hang once"}, timeout_seconds=30)]}}
    )
    app.worker.handle(sqs_event(queue.take()), Ending(MARGIN_SECONDS + 0.5))
    assert app.status.of(instance_id).nodes["a"].status == "RUNNING"

    def over() -> bool:
        app.sweep.run()
        drain(app, queue)
        return app.status.of(instance_id).status == "COMPLETED"

    wait_until(over, what="another worker ran it to its end")
    record = some(app.store.snapshot(instance_id)).records[0]
    assert (record.failures, record.lost) == (0, 1)


def test_a_handler_that_gives_up_just_when_it_is_cut_off_has_not_failed(make: Make) -> None:
    class GivesUp:
        def run(self, handler: Any, config: Any, context: Context, timeout: float) -> Any:
            wait_until(lambda: context.time_left() <= 0)
            raise OSError("read timed out")

    app, queue = make()
    app.executor = GivesUp()
    nodes = [node("cut", timeout_seconds=30), node("own", timeout_seconds=0.1)]
    instance_id = run(app, {"name": "w", "dag": {"nodes": nodes}})
    app.worker.handle(sqs_event(queue.take()), Ending(0))
    view = app.status.of(instance_id)
    assert {id: one.status for id, one in view.nodes.items()} == {"cut": "RUNNING", "own": "FAILED"}


def test_what_an_instant_node_leads_to_does_not_keep_the_batch_waiting(make: Make) -> None:
    begun = threading.Event()

    @handler("opens", instant=True)
    def opens(config: Config) -> None:
        begun.set()

    @handler("needs_it")
    def needs_it(config: Config) -> bool:
        return begun.wait(5)

    app, queue = make()
    app.handlers = app.handlers | {"opens": opens, "needs_it": needs_it}
    # In this order in one batch: a is followed by a handler that waits for what b does.
    view = finish(app, queue, node("a", handler="noop"), node("b", handler="opens"), node("c", "a", handler="needs_it"))
    assert view.status == "COMPLETED"
    assert results_of(app, some(view.instance_id)).results["c"] is True


def test_without_threads_calls_run_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ran: list[int] = []
    monkeypatch.setattr(threading.Thread, "start", refuse)
    for join in [spawn(lambda number=number: ran.append(number)) for number in range(3)]:  # type: ignore[misc]
        join()
    assert sorted(ran) == [0, 1, 2]


def test_a_lost_message_is_sent_again_by_the_sweep(make: Make) -> None:
    app, queue = make(resend_seconds=0.05)
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    assert queue.take()
    wait_until(lambda: app.sweep.run().nodes and queue.bodies, what="a second message")
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"


def test_a_long_backoff_waits_in_the_store_not_in_the_queue(make: Make) -> None:
    app, queue = make()
    app.uniform = lambda a, b: b
    policy = {"max_attempts": 2, "initial_backoff_seconds": 2000, "max_backoff_seconds": 2000}
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a", config={"what": "fail"}, retry_policy=policy)]}})
    drain(app, queue)
    assert queue.bodies == [] and app.sweep.run().nodes == 0
    due = app.redis.zscore(app_due(instance_id), "0")
    assert 1990_000 < due - time.time() * 1000 < 2010_000
    app.redis.zadd(app_due(instance_id), {"0": 0})
    app.redis.zadd(app_index(instance_id), {instance_id: 0})
    assert app.sweep.run().nodes == 1 and len(queue.bodies) == 1


def test_a_dead_letter_is_a_lost_attempt_and_not_the_end(make: Make) -> None:
    """The store may have been away until the queue gave up."""
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a"), node("b", "a")]}})
    dead = queue.take()
    assert app.dead_letters.handle(sqs_event([*dead, "rubbish"])) == {"batchItemFailures": []}
    assert some(app.status.of(instance_id).nodes["a"].error).type == "DeadLettered"
    assert app.worker.handle(sqs_event(dead)) == {"batchItemFailures": []} and not calls
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].attempt == 2 and view.nodes["a"].error is None


def test_too_many_dead_letters_fail_a_node_with_the_reason(make: Make) -> None:
    app, queue = make(max_lost=3)
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a"), node("b", "a")]}})
    for _ in range(3):
        assert app.dead_letters.handle(sqs_event(queue.take())) == {"batchItemFailures": []}
    view = app.status.of(instance_id)
    assert view.status == "FAILED" and view.nodes["b"].status == "SKIPPED"
    assert some(view.nodes["a"].error).type == "DeadLettered" and not queue.bodies


def test_a_dead_letter_of_a_node_that_ran_changes_nothing(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    message = queue.take()
    app.worker.handle(sqs_event(message))
    app.dead_letters.handle(sqs_event(message))
    assert app.status.of(instance_id).status == "COMPLETED"


def test_a_dead_letter_of_a_node_that_runs_changes_nothing(make: Make) -> None:
    """The queue gave up a message that was received again and again while its handler ran on."""
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a", config={"what": "sleep"})]}})
    message = queue.take()
    worker = threading.Thread(target=app.worker.handle, args=(sqs_event(message),))
    worker.start()
    wait_until(lambda: calls, what="a handler that runs")
    app.dead_letters.handle(sqs_event(message))
    assert app.status.of(instance_id).nodes["a"].status == "RUNNING"
    worker.join()
    assert app.status.of(instance_id).status == "COMPLETED"


def test_messages_that_name_what_is_not_there(make: Make) -> None:
    app, _queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    execution_id = some(app.store.execution_of(instance_id))
    beyond = encode(Message(Ref(instance_id, execution_id), (Ready(5, 1),)))
    stray = encode(Message(Ref(ids.new(ids.INSTANCE), execution_id), (Ready(0, 1),)))
    assert app.worker.handle(sqs_event([beyond, stray])) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert app.dead_letters.handle(sqs_event([beyond, stray])) == {"batchItemFailures": []}
    assert app.status.of(instance_id).status == "PENDING"


def test_lambda_scheduling_runs_the_same_code(make: Make) -> None:
    app, queue = make()
    invoked: list[str] = []

    class Invoker:
        def invoke(self, instance_id: str) -> None:
            invoked.append(instance_id)
            app.scheduler.handle({"instance_id": instance_id})

    app.dispatch = LambdaDispatch(queue, Invoker(), resend_ms=60_000, weight=app.sizing.size, room=ROOM)
    # The worker runs on with ten short ones, and the scheduler sends the others.
    nodes = [node("a"), *(node(f"b{n}", "a") for n in range(25)), node("c", *(f"b{n}" for n in range(25)))]
    view = finish(app, queue, *nodes)
    assert view.status == "COMPLETED" and len(invoked) == 2 and len(calls) == 27


def test_wide_and_deep_lists_go_in_slices(make: Make) -> None:
    app, queue = make()
    leaves = [node(f"n{n}", "a", handler="noop") for n in range(1234)]
    view = finish(app, queue, node("a", handler="noop"), *leaves)
    assert view.status == "COMPLETED" and view.progress.completed == 1235
    view = finish(app, queue, node("a", config={"what": "fail"}), *leaves)
    assert view.status == "FAILED" and view.progress.skipped == 1234
    roots = [node(f"n{n}", handler="noop") for n in range(1234)]
    assert finish(app, queue, *roots).status == "COMPLETED"


def test_idempotency_keys(make: Make) -> None:
    from chalicelib.errors import IdempotencyConflict

    app, queue = make()
    body = json.dumps({"name": "w", "dag": {"nodes": [node("a")]}}).encode()
    first = app.submission.submit(body, ids.new("key"))
    key = ids.new("key")
    again = [app.submission.submit(body, key) for _ in range(2)]
    assert again[0] == again[1] and again[0].execution_id != first.execution_id
    with pytest.raises(IdempotencyConflict):
        app.submission.submit(body.replace(b'"w"', b'"v"'), key)
    triggers = [app.triggering.trigger(first.execution_id, b"", key) for _ in range(2)]
    assert triggers[0] == triggers[1]
    # The key means something else in each scope, and is where another release put it.
    scopes = {"submit": again[0].execution_id, f"trigger/{first.execution_id}": triggers[0].instance_id}
    for scope, id in scopes.items():
        assert app.store.reserve(scope, key, fingerprint="another", id="another")[1] == id
    with pytest.raises(IdempotencyConflict):
        app.triggering.trigger(first.execution_id, b'{"params":{"x":1}}', key)
    drain(app, queue)
    assert len(calls) == 1


def test_status_by_execution_id(make: Make) -> None:
    app, _queue = make()
    submitted = app.submission.submit(json.dumps({"name": "w", "dag": {"nodes": [node("a")]}}).encode(), None)
    view = app.status.of(submitted.execution_id)
    assert view.instance_id is None and view.status == "PENDING" and view.nodes["a"].status == "PENDING"
    first = app.triggering.trigger(submitted.execution_id, b"", None)
    second = app.triggering.trigger(submitted.execution_id, b"", None)
    assert first.instance_id != second.instance_id
    assert app.status.of(submitted.execution_id).instance_id == second.instance_id


def test_wait_answers_as_soon_as_it_is_over(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, {"name": "w", "dag": {"nodes": [node("a")]}})
    assert app.status.of(instance_id, 0.1).status == "PENDING"
    views: list[StatusView] = []
    waiting = [threading.Thread(target=lambda: views.append(app.status.of(instance_id, 20))) for _ in range(150)]
    for thread in waiting:
        thread.start()
    started = time.monotonic()
    drain(app, queue)
    for thread in waiting:
        thread.join()
    assert [view.status for view in views] == ["COMPLETED"] * 150 and time.monotonic() - started < 5
