"""The engine's figures for known runs, through the entry points, on a real store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from chalice.test import Client

import app as web
from benchmarks.bill import WORKLOADS
from chalicelib.composition import Application
from chalicelib.core.calls import Wanted
from chalicelib.core.handler import Handler
from chalicelib.core.records import Pressure
from chalicelib.handlers.api import Config, handler
from chalicelib.metrics.metered import CallCounts, MeteredStore
from chalicelib.metrics.protocol import OFF
from chalicelib.queues.memory import MemoryQueue
from local.mapping import LambdaContext
from local.poller import scheduled_event
from scheduler.dispatch import LambdaDispatch
from tests.support import emf
from tests.support.harness import application, by_messages, drain, run

SECRET = "xyzzy-5bf2c1-secret"
FOUND = dict[tuple[str, str], list[float]]


class Flaky(Config):
    token: str = ""


class Deployed:
    """An application with METRICS=emf behind the real entry points; `figures` is what they wrote since its last use."""

    def __init__(self, app: Application, queue: MemoryQueue, capsys: pytest.CaptureFixture[str]) -> None:
        self.app, self.queue = app, queue
        self._capsys = capsys
        capsys.readouterr()

    def work(self) -> None:
        """Work until the queue is empty."""
        while bodies := self.queue.take():
            records = [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]
            answer = web.worker({"Records": records}, LambdaContext("worker", seconds=60))
            assert answer == {"batchItemFailures": []}

    def output(self) -> str:
        return self._capsys.readouterr().out

    def figures(self) -> FOUND:
        return emf.values(self.output().splitlines())


@pytest.fixture
def deployed(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Deployed]]:
    made: list[Application] = []

    def make(*handlers: Handler, **settings: Any) -> Deployed:
        queue = MemoryQueue()
        app = application(valkey_url, queue, handlers, metrics="emf", metrics_service="dag-service-test", **settings)
        by_messages(app)
        monkeypatch.setattr("chalicelib.composition.application", lambda: app)
        made.append(app)
        return Deployed(app, queue, capsys)

    yield make
    for app in made:
        app.redis.close()


def flaky() -> Handler:
    """Fail at the first call."""
    calls: list[str] = []

    @handler("flaky")
    def call(config: Flaky) -> str:
        calls.append(config.token)
        if len(calls) == 1:
            raise ValueError(f"not with {config.token}")
        return config.token

    return call


def node(id: str, *dependencies: str, handler: str = "noop", **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), **more}


def workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "w", "dag": {"nodes": list(nodes)}}


def test_a_run_that_is_retried(deployed: Callable[..., Deployed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", SECRET)
    service = deployed(flaky())
    policy = {"max_attempts": 2, "initial_backoff_seconds": 0}
    retried = node("b", "a", handler="flaky", config={"token": "{{ secrets.TOKEN }}"}, retry_policy=policy)
    document = workflow(node("a"), retried, node("c", "b"))
    with Client(web.app) as client:
        execution_id = client.http.post("/api/workflow", body=json.dumps(document).encode()).json_body["execution_id"]
        client.http.post(f"/api/workflow/trigger/{execution_id}")
    triggered = service.figures()
    assert triggered["InstancesStarted", ""] == [1] and len(triggered["DispatchLag", ""]) == 1
    assert len(triggered["Cost", ""]) == 2 and all(0.2e-6 < cost < 1e-4 for cost in triggered["Cost", ""])
    service.work()
    output = service.output()
    assert SECRET not in output
    found = emf.values(output.splitlines())
    assert {name for name, _ in found} == {
        *("NodeDuration", "NodeAttempts", "QueueDelay", "DispatchLag", "InstancesCompleted", "InstanceDuration"),
        "Cost",
    }
    assert found["NodeAttempts", "noop"] == [1, 1] and found["NodeAttempts", "flaky"] == [2]
    assert len(found["NodeDuration", "noop"]) == 2 and len(found["NodeDuration", "flaky"]) == 1
    assert all(0 < milliseconds < 5000 for milliseconds in found["NodeDuration", "flaky"])
    assert found["InstancesCompleted", ""] == [1] and 0 < found["InstanceDuration", ""][0] < 20_000
    assert len(found["QueueDelay", ""]) == 2 and min(found["QueueDelay", ""]) >= 0  # a and b, no retry, no hop
    assert all(0.6e-6 < cost < 1e-4 for cost in found["Cost", ""])


def test_failures_lost_workers_and_dead_letters(deployed: Callable[..., Deployed]) -> None:
    service = deployed(flaky(), max_lost=1)
    app, queue = service.app, service.queue
    run(app, workflow(node("a", handler="flaky"), node("b", "a")))
    service.work()
    lost = run(app, workflow(node("x"), node("y", "x")))
    queue.take()
    app.store.claim(lost, owner="gone", lease_ms=0, wanted=[Wanted(0, 1, ())])
    web.sweep(scheduled_event(), LambdaContext("sweep", seconds=60))
    run(app, workflow(node("z")))
    web.dead_letters({"Records": [{"messageId": "m", "body": queue.take()[0]}]}, LambdaContext("dead", seconds=60))
    found = service.figures()
    assert found["InstancesStarted", ""] == [1, 1, 1]
    assert found["InstancesFailed", ""] == [1, 1, 1] and ("InstancesCompleted", "") not in found
    assert len(found["InstanceDuration", ""]) == 3
    assert found["NodesFailed", "flaky"] == [1] and found["NodesFailed", "noop"] == [1, 1]
    assert found["NodeAttempts", "flaky"] == [1] and ("NodeAttempts", "noop") not in found
    assert found["SweepRepairs", ""] == [1] and found["SweepFailures", ""] == [0] and found["SweepLag", ""][0] >= 0
    assert found["DeadLetters", ""] == [1]


def test_an_aborted_instance_and_one_that_a_sweep_cannot_handle(
    deployed: Callable[..., Deployed], valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = deployed()
    app = service.app
    instance_id = run(app, workflow(node("a")))
    execution_id = app.store.execution_of(instance_id)
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(*client.keys(f"*{execution_id}*"))
    app.definitions._plans.clear()
    service.work()
    found = service.figures()
    assert found["InstancesFailed", ""] == [1] and len(found["InstanceDuration", ""]) == 1
    monkeypatch.setattr(app.store, "overdue", lambda limit: [instance_id])
    monkeypatch.setattr(app.scheduler, "run", lambda instance_id: 1 / 0)
    web.sweep(scheduled_event(), LambdaContext("sweep", seconds=60))
    assert service.figures()["SweepFailures", ""] == [1]


def test_the_scheduler_function_says_how_late_it_was(deployed: Callable[..., Deployed]) -> None:
    service = deployed()
    app, invoked = service.app, []
    invoker: Any = type("Invoker", (), {"invoke": lambda self, instance_id: invoked.append(instance_id)})()
    dispatch = app.dispatch
    app.dispatch = LambdaDispatch(app.queue, invoker, resend_ms=30_000, weight=app.sizing.size, room=dispatch.room)
    instance_id = run(app, workflow(node("a")))
    assert invoked == [instance_id] and ("DispatchLag", "") not in service.figures()
    context = LambdaContext("scheduler", seconds=60)
    assert web.scheduler({"instance_id": instance_id}, context) == {"handled": 1}
    [lag] = service.figures()["DispatchLag", ""]
    assert 0 < lag < 20_000
    assert web.scheduler({"instance_id": instance_id}, context) == {"handled": 0}
    assert ("DispatchLag", "") not in service.figures()
    service.work()
    assert service.figures()["InstancesCompleted", ""] == [1]


def test_a_refused_trigger_is_counted(deployed: Callable[..., Deployed], monkeypatch: pytest.MonkeyPatch) -> None:
    service = deployed()
    execution_id = service.app.submission.submit(json.dumps(workflow(node("a"))).encode(), None).execution_id
    monkeypatch.setattr(service.app.store, "pressure", lambda late_ms: Pressure(0.99, 0))
    service.app.admission._until = float("-inf")
    with Client(web.app) as client:
        assert client.http.post(f"/api/workflow/trigger/{execution_id}").status_code == 503
    found = service.figures()
    assert found["Refused", ""] == [1] and ("InstancesStarted", "") not in found


@pytest.mark.parametrize("shape", WORKLOADS)
def test_the_commands_of_a_bill_are_about_those_that_redis_executes(valkey_url: str, shape: str) -> None:
    document, instances = WORKLOADS[shape]
    queue, tally = MemoryQueue(), CallCounts()
    app = application(valkey_url, queue)
    with redis.Redis.from_url(valkey_url) as client:
        app.store = MeteredStore(app.store, OFF, tally)
        before = sum(each["calls"] for each in client.info("commandstats").values())
        for _ in range(instances):
            run(app, document)
        drain(app, queue)
        executed = sum(each["calls"] for each in client.info("commandstats").values()) - before
    assert tally.commands == pytest.approx(executed, rel=0.2)
