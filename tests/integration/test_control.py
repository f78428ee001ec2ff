"""What users do to instances: cancel, pause, rerun, list, read the history; and the failure policies of workflows."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.errors import Conflict, InvalidDocument, NotFound
from chalicelib.handlers import Config, Context, DoNotRetry, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.states import InstanceStatus, NodeStatus
from chalicelib.usecases.listing import Filter
from tests.support.harness import application, drain, results_of, run, wait_until
from tests.support.invariants import check_invariants

runs: Counter[str] = Counter()
broken: set[str] = set()
seen: list[str] = []
started = threading.Event()

Make = Callable[..., tuple[Application, MemoryQueue]]


class Step(Config):
    value: Any = None


@handler("step")
def step(config: Step, context: Context) -> Any:
    """Return the configured value; fail while the node is in `broken`."""
    runs[context.node_id] += 1
    seen.append(context.idempotency_key)
    if context.node_id in broken:
        raise DoNotRetry("broken")
    return config.value


@handler("until_cancelled")
def until_cancelled(config: Config, context: Context) -> str:
    started.set()
    wait_until(lambda: context.cancelled, what="the cancellation")
    seen.append("cancelled")
    return "too late"


@pytest.fixture
def make(valkey_url: str) -> Iterator[Make]:
    applications: list[Application] = []

    def made(**settings: Any) -> tuple[Application, MemoryQueue]:
        queue = MemoryQueue()
        applications.append(application(valkey_url, queue, [step, until_cancelled], **settings))
        return applications[-1], queue

    for state in (runs, broken, seen):
        state.clear()
    started.clear()
    yield made
    for app in applications:
        app.redis.close()


def node(id: str, *dependencies: str, handler: str = "step", **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), **more}


def workflow(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Controlled", "dag": {"nodes": list(nodes)}, **more}


def states(app: Application, instance_id: str) -> dict[str, str]:
    check_invariants(app.redis, instance_id)
    return {id: view.status.value for id, view in app.status.of(instance_id).nodes.items()}


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_cancel_ends_it_and_running_handlers_see_it(make: Make) -> None:
    app, queue = make(lease_seconds=0.2)
    instance_id = run(app, workflow(node("a", handler="until_cancelled"), node("b", "a")))
    worker = threading.Thread(target=drain, args=(app, queue))
    worker.start()
    assert started.wait(10)
    view = app.control.cancel(instance_id, body(reason="wrong params"))
    assert view.status == "CANCELLED" and view.error is not None and view.error.message == "wrong params"
    worker.join(10)
    assert seen == ["cancelled"]
    assert states(app, instance_id) == {"a": "CANCELLED", "b": "CANCELLED"}
    assert results_of(app, instance_id).results == {}
    assert app.control.cancel(instance_id, b"").status == "CANCELLED"


def test_what_has_ended_is_neither_cancelled_nor_paused(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a")))
    drain(app, queue)
    with pytest.raises(Conflict, match="COMPLETED"):
        app.control.cancel(instance_id, b"")
    for change in (app.control.pause, app.control.resume):
        with pytest.raises(Conflict, match=f"^instance `{instance_id}` is COMPLETED: it has ended$"):
            change(instance_id)
    with pytest.raises(NotFound):
        app.control.cancel("in-" + "0" * 30, b"")
    with pytest.raises(InvalidDocument, match="reason"):
        app.control.cancel(instance_id, b'{"reson": "x"}')


def test_a_paused_instance_starts_nothing_until_it_is_resumed(make: Make) -> None:
    app, queue = make(hop_seconds=0)
    instance_id = run(app, workflow(node("a"), node("b", "a"), node("c")))
    first, *others = queue.take(1), queue.take()
    queue.bodies += first
    drain(app, queue)
    assert app.control.pause(instance_id).paused and app.control.pause(instance_id).paused
    queue.bodies += [body for bodies in others for body in bodies]
    drain(app, queue)
    app.sweep.run()
    assert queue.bodies == []
    held = states(app, instance_id)
    assert list(held.values()).count("PENDING") >= 1 and app.status.of(instance_id).status == "RUNNING"
    view = app.control.resume(instance_id)
    assert not view.paused
    drain(app, queue)
    assert set(states(app, instance_id).values()) == {"COMPLETED"}
    assert max(runs.values()) == 1


def test_retry_runs_what_failed_and_keeps_the_rest(make: Make) -> None:
    app, queue = make()
    broken.add("b")
    nodes = [
        node("a", config={"value": 1}),
        node("b", "a"),
        node("c", "b", config={"value": "{{ a }}"}),
        node("d", "a"),
    ]
    instance_id = run(app, workflow(*nodes))
    drain(app, queue)
    assert states(app, instance_id) == {"a": "COMPLETED", "b": "FAILED", "c": "SKIPPED", "d": "COMPLETED"}
    with pytest.raises(InvalidDocument, match="no node `x`"):
        app.control.rerun(instance_id, body(**{"from": ["x"]}), None)
    broken.clear()
    other = run(app, workflow(node("e")))
    app.control.cancel(other, b"")
    assert app.control.rerun(other, b"{}", "key").epoch == 2  # the key is of this instance alone
    again = app.control.rerun(instance_id, b"", "key")
    assert (again.epoch, again.nodes) == (2, 2)
    assert app.control.rerun(instance_id, b"", "key").epoch == 2  # the same request does nothing more
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.epoch == 2 and view.error is None
    assert runs == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 1}
    assert view.nodes["b"].attempt == 2
    assert f"{instance_id}/b" in seen and f"{instance_id}/b/2" in seen
    with pytest.raises(Conflict, match="every node"):
        app.control.rerun(instance_id, b"", None)


def test_what_has_not_ended_is_not_run_again(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a")))
    with pytest.raises(Conflict, match=f"^instance `{instance_id}` is PENDING: wait for its end, or cancel it first$"):
        app.control.rerun(instance_id, b"", None)
    drain(app, queue)
    with pytest.raises(Conflict, match=r"every node of .* completed: say in `from` which are to run again"):
        app.control.rerun(instance_id, b"", None)


def test_rerun_from_a_node_with_other_params_and_the_old_results(make: Make) -> None:
    app, queue = make()
    nodes = [node("a", config={"value": 1}), node("b", "a", config={"value": "{{ params.x }}"}), node("c", "b")]
    instance_id = run(app, workflow(*nodes), {"x": "old"})
    drain(app, queue)
    app.control.rerun(instance_id, body(**{"from": ["b"]}, params={"x": "new"}), None)
    drain(app, queue)
    assert runs == {"a": 1, "b": 2, "c": 2}
    assert results_of(app, instance_id).results["b"] == "new"
    assert results_of(app, instance_id, 1).results == {"a": 1, "b": "old", "c": None}
    app.control.rerun(instance_id, body(params={"x": "third"}), None)  # without `from`, all nodes run again
    drain(app, queue)
    assert runs == {"a": 2, "b": 3, "c": 3}
    assert [results_of(app, instance_id, epoch).results["b"] for epoch in (1, 2, 3)] == ["old", "new", "third"]
    with pytest.raises(NotFound, match="no epoch 4"):
        results_of(app, instance_id, 4)


def test_a_straggler_of_an_earlier_epoch_is_refused(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a"), node("b", "a")))
    doubled = list(queue.bodies)
    drain(app, queue)
    app.control.rerun(instance_id, body(**{"from": ["a"]}), None)
    queue.bodies += doubled
    drain(app, queue)
    assert runs == {"a": 2, "b": 2} and set(states(app, instance_id).values()) == {"COMPLETED"}


def test_a_cancelled_instance_runs_again_from_where_it_was(make: Make) -> None:
    app, queue = make(hop_seconds=0)
    instance_id = run(app, workflow(node("a"), node("b", "a"), node("c", "b")))
    bodies = queue.take()
    queue.bodies += bodies
    for _ in range(1):
        app.worker.handle({"Records": [{"messageId": "m", "body": body} for body in queue.take()]})
    app.control.cancel(instance_id, b"")
    queue.take()
    app.control.rerun(instance_id, b"", None)
    drain(app, queue)
    assert runs == {"a": 1, "b": 1, "c": 1} and set(states(app, instance_id).values()) == {"COMPLETED"}


def test_history_tells_every_attempt_and_why(make: Make) -> None:
    app, queue = make()
    broken.add("b")
    retry = {"max_attempts": 2, "initial_backoff_seconds": 0}
    instance_id = run(app, workflow(node("a", retry_policy=retry), node("b", "a"), node("c", "b")))
    drain(app, queue)
    told = app.history.of(instance_id, node="b", limit=100, cursor=0)
    assert [event.event for event in told.events] == ["created", "ready", "started", "failed", "finished"]
    failed = told.events[3]
    assert failed.attempt == 1 and failed.worker and failed.reason == "DoNotRetry: broken"
    assert "failed at attempt 1" in told.why["b"]
    assert "skipped because b failed" in app.history.of(instance_id, node="c", limit=9, cursor=0).why["c"]
    broken.clear()
    app.control.rerun(instance_id, b"", None)
    drain(app, queue)
    events = app.history.of(instance_id, node=None, limit=100, cursor=0).events
    assert [event.event for event in events if event.node is None] == ["created", "rerun", "finished"]
    assert [(event.event, event.epoch) for event in events if event.node == "b"] == [
        ("ready", 1),
        ("started", 1),
        ("failed", 1),
        ("ready", 2),
        ("started", 2),
        ("completed", 2),
    ]


def test_a_history_is_read_page_by_page(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a"), node("b", "a")))
    drain(app, queue)
    events = app.history.of(instance_id, node=None, limit=100, cursor=0).events
    for limit in (1, 3, len(events)):
        pages, cursor = [], "0"
        while cursor:
            page = app.history.of(instance_id, node=None, limit=limit, cursor=int(cursor))
            pages.append(page.events)
            cursor = page.next or ""
        assert [event for page in pages for event in page] == events and {len(page) for page in pages[:-1]} <= {limit}
        assert 0 < len(pages[-1]) <= limit


def test_history_tells_what_was_run_again_and_what_had_not_ended(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a"), node("b", "a")))
    for fields, reason in (({}, None), ({"from": ["a", "b"]}, "from a, b")):
        app.control.cancel(instance_id, b"")
        why = app.history.of(instance_id, node="b", limit=9, cursor=0).why
        assert why == {"b": "it had not ended when the instance became CANCELLED"}
        app.control.rerun(instance_id, body(**fields), None)
        events = app.history.of(instance_id, node=None, limit=100, cursor=0).events
        assert [event.reason for event in events if event.event == "rerun"][-1] == reason
    drain(app, queue)


def test_fail_fast_ends_the_others(make: Make) -> None:
    app, queue = make(hop_seconds=0)
    broken.add("a")
    instance_id = run(app, workflow(node("a"), node("b"), node("c", "b"), failure_policy="fail_fast"))
    app.worker.handle({"Records": [{"messageId": "m", "body": body} for body in queue.take(1)]})
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.status == "FAILED" and view.error is not None and view.error.node == "a"
    assert view.nodes["c"].status == "CANCELLED"
    check_invariants(app.redis, instance_id)


def test_an_ignored_failure_stops_nobody(make: Make) -> None:
    app, queue = make()
    broken.add("a")
    nodes = [node("a", on_failure="ignore"), node("b", "a", config={"value": {"got": "{{ a }}"}}), node("c", "b")]
    instance_id = run(app, workflow(*nodes))
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].status == NodeStatus.FAILED and view.nodes["a"].error
    assert view.progress.failed == 1
    assert results_of(app, instance_id).results["b"] == {"got": None}
    check_invariants(app.redis, instance_id)


def test_an_instance_has_its_time(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a"), node("b", "a"), timeout_seconds=0.05))
    queue.take()

    def ended() -> bool:
        app.sweep.run()
        return app.status.of(instance_id).status == "FAILED"

    wait_until(ended)
    view = app.status.of(instance_id)
    assert view.error is not None and view.error.type == "TimedOut"
    assert states(app, instance_id) == {"a": "CANCELLED", "b": "CANCELLED"}


def test_defaults_hold_for_nodes_that_say_nothing(make: Make) -> None:
    app, queue = make()
    broken.update({"a", "b"})
    defaults = {"on_failure": "ignore", "retry_policy": {"max_attempts": 2, "initial_backoff_seconds": 0}}
    nodes = [node("a"), node("b", on_failure="fail", retry_policy={"max_attempts": 1})]
    instance_id = run(app, workflow(*nodes, defaults=defaults))
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.status == "FAILED" and view.error is not None and view.error.node == "b"


def test_a_node_may_say_what_would_hold_without_defaults(make: Make) -> None:
    """An empty policy means one attempt, and is not replaced by the policy of the workflow."""
    app, _ = make()
    nodes = [node("a", retry_policy={"max_attempts": 1}), node("b", retry_policy={}), node("c")]
    body = workflow(*nodes, defaults={"retry_policy": {"max_attempts": 5}})
    plan = app.resolver.plan(app.submission.submit(json.dumps(body).encode(), None).execution_id)
    assert [one.retry.max_attempts for one in plan.nodes] == [1, 1, 5]


def test_an_error_names_the_instance_or_the_node_that_is_not_there(make: Make) -> None:
    app, queue = make()
    missing, instance_id = ids.new(ids.INSTANCE), run(app, workflow(node("a")))
    drain(app, queue)
    for ask in (
        lambda: app.control.cancel(missing, b""),
        lambda: app.control.rerun(missing, b"", None),
        lambda: app.status.of(missing),
        lambda: app.history.of(missing, node=None, limit=1, cursor=0),
    ):
        with pytest.raises(NotFound, match=f"^there is no instance `{missing}`, or its retention is over$"):
            ask()
    for place, detail, ask in (
        ("/query/node", " in this workflow", lambda: app.history.of(instance_id, node="x" * 99, limit=1, cursor=0)),
        ("/from/1", "", lambda: app.control.rerun(instance_id, body(**{"from": ["a", "x" * 99]}), None)),
    ):
        with pytest.raises(InvalidDocument) as caught:
            ask()
        [problem] = caught.value.problems
        assert (problem.pointer, problem.detail) == (place, f"there is no node `{'x' * 60}`{detail}")


def test_lists_are_filtered_and_paged_newest_first(make: Make) -> None:
    app, queue = make()
    name = f"Listed {time.time_ns()}"
    ids = []
    for number in range(5):
        submitted = app.submission.submit(json.dumps(workflow(node("a")) | {"name": name}).encode(), None)
        tags = {"n": str(number % 2), "m": str(number // 2)}
        ids.append(app.triggering.trigger(submitted.execution_id, body(tags=tags), None).instance_id)
        time.sleep(0.002)  # ids of the same millisecond have no order
    before = app.listings.instances(Filter(), limit=1, cursor=None).counts
    drain(app, queue)
    after = app.listings.instances(Filter(), limit=1, cursor=None).counts
    assert after[InstanceStatus.COMPLETED] == before[InstanceStatus.COMPLETED] + 5
    assert after[InstanceStatus.PENDING] == before[InstanceStatus.PENDING] - 5

    def listed(wanted: Filter, limit: int) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = app.listings.instances(wanted, limit=limit, cursor=cursor)
            found += [one.instance_id for one in page.instances]
            if (cursor := page.next) is None:
                return found

    assert listed(Filter(name=name.upper()), 2) == ids[::-1]
    assert listed(Filter(name=name, tags={"n": "1"}), 10) == [ids[3], ids[1]]
    assert listed(Filter(name=name, tags={"n": "1", "m": "1"}), 10) == [ids[3]]
    assert listed(Filter(name=name, statuses=(InstanceStatus.FAILED, InstanceStatus.RUNNING)), 10) == []
    [newest, *_] = app.listings.workflows(Filter(name=name), limit=3, cursor=None).workflows
    assert newest.latest == ids[-1] and newest.nodes == 1
    assert app.listings.workflow(newest.execution_id).definition["name"] == name


def test_what_is_deleted_is_gone(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a")))
    with pytest.raises(Conflict, match="cancel it first"):
        app.control.delete(instance_id)
    drain(app, queue)
    execution_id = app.status.of(instance_id).execution_id
    app.control.delete(instance_id)
    with pytest.raises(NotFound):
        app.status.of(instance_id)
    app.control.delete(execution_id)
    with pytest.raises(NotFound):
        app.listings.workflow(execution_id)
    with pytest.raises(NotFound):
        app.control.delete(execution_id)
