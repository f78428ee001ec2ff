"""A deleted workflow is deleted for every process, even for one that has it in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.errors import NotFound
from chalicelib.queues.memory import MemoryQueue
from chalicelib.store import keys
from chalicelib.usecases.listing import Filter
from tests.support.harness import QueuedApplication, application, by_messages, drain, results_of

BODY = json.dumps({"name": "Short-lived", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}}).encode()


@pytest.fixture
def processes(valkey_url: str) -> Iterator[Callable[[], QueuedApplication]]:
    """Return a function that makes processes, which share nothing but the store."""
    made: list[QueuedApplication] = []

    def another() -> QueuedApplication:
        made.append(by_messages(application(valkey_url, MemoryQueue())))
        return made[-1]

    yield another
    for app in made:
        app.redis.close()


def submitted(app: QueuedApplication) -> str:
    return app.submission.submit(BODY, None).execution_id


def listed(app: QueuedApplication, execution_id: str) -> list[str]:
    page = app.listings.instances(Filter(execution_id=execution_id), limit=50, cursor=None)
    return [one.instance_id for one in page.instances]


def test_it_is_not_triggered_from_memory(processes: Callable[[], QueuedApplication]) -> None:
    here, there = processes(), processes()
    execution_id = submitted(here)
    first = here.triggering.trigger(execution_id, b"", None).instance_id  # so it has the plan
    drain(here, here.queue)
    there.control.delete(execution_id)
    for app in (here, there, processes()):
        for key in (None, ids.new("key")):
            with pytest.raises(NotFound, match=execution_id):
                app.triggering.trigger(execution_id, b"", key)
        assert not app.queue.bodies
    assert listed(there, execution_id) == [first]
    assert not there.redis.exists(keys.workflow(execution_id)), "half of a workflow came back"


def test_a_trigger_that_is_repeated_is_refused_too_and_leaves_its_instance_alone(
    processes: Callable[[], QueuedApplication],
) -> None:
    here, there = processes(), processes()
    execution_id, key = submitted(here), ids.new("key")
    instance_id = here.triggering.trigger(execution_id, b"", key).instance_id
    there.control.delete(execution_id)
    for app in (here, there):
        with pytest.raises(NotFound):
            app.triggering.trigger(execution_id, b"", key)
    assert here.store.status(instance_id) == "PENDING"
    here.scheduler.abort(here.resolver.ref(instance_id))


def test_what_is_withdrawn_leaves_nothing_and_calls_no_webhook(processes: Callable[[], QueuedApplication]) -> None:
    here, there = processes(), processes()
    body = json.loads(BODY) | {"webhook": {"url": "https://example.com/hook"}}
    execution_id = here.submission.submit(json.dumps(body).encode(), None).execution_id
    here.definitions.get(execution_id)
    there.control.delete(execution_id)
    made: list[str] = []
    create = here.store.create

    def noted(ref: Any, **named: Any) -> Any:
        made.append(ref.instance_id)
        return create(ref, **named)

    here.store.create = noted  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        here.triggering.trigger(execution_id, b"", None)
    assert not here.queue.bodies
    for instance_id in made:
        assert here.store.snapshot(instance_id) is None
        assert not any(here.redis.exists(name) for name in keys.instance(instance_id)[:-2])
        assert here.redis.zscore(keys.index(ids.shard(instance_id)), instance_id) is None


def asked(app: QueuedApplication, execution_id: str, instance_id: str) -> dict[str, Any]:
    """Ask a process everything about the workflow. Returns a value, or NotFound, for each question."""
    questions: dict[str, Callable[[], Any]] = {
        "workflow": lambda: app.listings.workflow(execution_id),
        "newest": lambda: app.status.of(execution_id),
        "plan": lambda: app.forecaster.of_stored(execution_id),
        "plan by instance": lambda: app.forecaster.of_body(
            json.dumps({"workflow": json.loads(BODY), "instance_id": instance_id}).encode()
        ),
        "status": lambda: app.status.of(instance_id).model_dump(),
        "waited": lambda: app.status.of(instance_id, 0.01).model_dump(),
        "results": lambda: results_of(app, instance_id).model_dump(),
        "result": lambda: app.results.of_node(instance_id, "a"),
        "history": lambda: app.history.of(instance_id, node=None, limit=9, cursor=0),
        "results of the newest": lambda: results_of(app, execution_id),
        "rerun": lambda: app.control.rerun(instance_id, b'{"from": ["a"]}', None),
    }
    answers: dict[str, Any] = {}
    for name, question in questions.items():
        try:
            answers[name] = question()
        except NotFound as error:
            answers[name] = str(error)
    return answers


def test_every_process_answers_alike(processes: Callable[[], QueuedApplication]) -> None:
    here, there = processes(), processes()
    execution_id = submitted(here)
    instance_id = here.triggering.trigger(execution_id, b"", None).instance_id
    drain(here, here.queue)
    before = asked(here, execution_id, instance_id)
    assert not any(isinstance(answer, str) for answer in before.values())
    drain(here, here.queue)
    there.control.delete(execution_id)
    gone = asked(processes(), execution_id, instance_id)
    for app in (here, there):
        assert asked(app, execution_id, instance_id) == gone
    status = gone.pop("status")
    assert status["status"] == "COMPLETED" and status["name"] == "Short-lived" and status["nodes"] == {}
    gone.pop("waited")
    assert all(isinstance(answer, str) and execution_id in answer for answer in gone.values())


def test_its_instances_can_still_be_controlled(processes: Callable[[], QueuedApplication]) -> None:
    """A process without the plan has no names of nodes to show, but does what was asked for, and reports it."""
    here, there = processes(), processes()
    execution_id = submitted(here)
    instance_id = here.triggering.trigger(execution_id, b"", None).instance_id
    there.control.delete(execution_id)
    for app in (here, there, processes()):
        view = app.control.pause(instance_id)
        assert view.paused and view.name == "Short-lived"
    cancelled = here.control.cancel(instance_id, b"")
    assert cancelled.status == "CANCELLED" and cancelled.error is not None
    there.control.delete(instance_id)


def test_a_plan_may_be_forgotten_by_several_threads(processes: Callable[[], QueuedApplication]) -> None:
    here = processes()
    execution_id = submitted(here)
    here.definitions.get(execution_id)
    here.control.delete(execution_id)
    for _ in range(2):
        here.definitions.forget(execution_id)
    assert here.definitions.get(execution_id) is None


def test_a_submission_that_is_repeated_stores_it_again(processes: Callable[[], QueuedApplication]) -> None:
    here, there = processes(), processes()
    key = ids.new("key")
    execution_id = here.submission.submit(BODY, key).execution_id
    here.definitions.get(execution_id)
    there.control.delete(execution_id)
    assert there.submission.submit(BODY, key).execution_id == execution_id
    for app in (here, there):
        app.triggering.trigger(execution_id, b"", None)
        drain(app, app.queue)


def test_what_is_left_of_a_workflow_by_an_earlier_release_is_none(processes: Callable[[], QueuedApplication]) -> None:
    """That release wrote the newest instance into a deleted workflow, for 90 days."""
    here = processes()
    execution_id = submitted(here)
    here.definitions.get(execution_id)
    here.control.delete(execution_id)
    here.redis.hset(keys.workflow(execution_id), "latest", "in-1")
    here.redis.expire(keys.workflow(execution_id), 60)
    assert not here.store.has_workflow(execution_id)
    with pytest.raises(NotFound):
        here.triggering.trigger(execution_id, b"", None)
