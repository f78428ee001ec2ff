"""Forecasts are compared with counts, on a real store, with handlers that wait in real time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.bill import chain
from chalicelib.composition import Application
from chalicelib.core import forecast
from chalicelib.errors import NotFound
from chalicelib.handlers import Config, handler
from chalicelib.models.views import StatusView
from chalicelib.queues.memory import MemoryQueue
from examples.run import fan_out, layered
from tests.support.harness import application, by_messages, drain, run


class Nap(Config):
    seconds: float


@handler("nap", waits=True)
def nap(config: Nap) -> None:
    time.sleep(config.seconds)


@pytest.fixture
def app(valkey_url: str) -> Iterator[Application]:
    app = application(valkey_url, MemoryQueue(), [nap])
    yield app
    app.redis.close()


def ran(app: Application, workflow: dict[str, Any]) -> StatusView:
    """Run a workflow by one worker. Returns the status with its nodes."""
    instance_id = run(app, workflow)
    drain(app, app.queue)  # type: ignore[arg-type]
    status = app.status.of(instance_id)
    assert status.status == "COMPLETED"
    return status


def napping(workflow: dict[str, Any], seconds: float) -> dict[str, Any]:
    nodes = [
        {**node, "handler": "nap", "config": {"seconds": seconds}} if node["handler"] == "noop" else node
        for node in workflow["dag"]["nodes"]
    ]
    return {**workflow, "dag": {"nodes": nodes}}


@pytest.mark.parametrize(
    "workflow", [chain(200), fan_out(100), fan_out(1000), layered()], ids=lambda workflow: workflow["name"]
)
def test_instant_nodes_take_exactly_what_was_forecast(app: Application, workflow: dict[str, Any]) -> None:
    usage = ran(app, workflow).usage
    assert usage.planned is not None
    assert (usage.messages, usage.transitions) == (usage.planned.messages, usage.planned.transitions)
    predicted = app.forecaster.of_body(json.dumps({"workflow": workflow, "workers": 1}).encode()).usage
    assert (usage.messages, usage.transitions) == (predicted.messages, predicted.transitions)


@pytest.mark.parametrize(
    "workflow",
    [napping(chain(20), 0.01), napping(fan_out(100), 0.02), napping(layered(3, 20), 0.02)],
    ids=lambda workflow: workflow["name"],
)
def test_nodes_that_wait_take_about_what_was_forecast(app: Application, workflow: dict[str, Any]) -> None:
    """The operating system decides which of them end at the same moment, and are committed together: at most a
    hundred, at least none. What is committed together decides whose children are claimed together."""
    usage = ran(app, workflow).usage
    planned = usage.planned
    assert planned is not None
    waiting = sum(node["handler"] == "nap" for node in workflow["dag"]["nodes"])
    assert abs(usage.messages - planned.messages) <= 0.15 * planned.messages + 8
    assert usage.messages + waiting / 100 < usage.transitions <= usage.messages + waiting + 2
    assert usage.messages + waiting / 100 < planned.transitions <= usage.messages + waiting + 2


def test_what_an_instance_took_is_what_the_next_forecast_rests_on(app: Application) -> None:
    workflow = fan_out(6)
    for number, node in enumerate(workflow["dag"]["nodes"][1:], start=1):
        node |= {"handler": "nap", "config": {"seconds": 0.05 * number}}
    status = ran(app, workflow)
    found = app.forecaster.of_stored(status.execution_id, instance_id=status.instance_id, workers=1)
    assert (found.durations.recorded, found.durations.assumed) == (7, 1)
    assert found.critical_path.nodes == ["input", "n0005", "join"]
    assert 0.65 <= found.critical_path.seconds < found.makespan.seconds
    assert found.usage.messages == status.usage.messages
    assert (
        abs(found.usage.transitions - status.usage.transitions) <= 2
    )  # 50 ms may not be enough to separate them on a slow machine
    body = {"workflow": workflow, "instance_id": status.execution_id, "workers": 1}
    assert app.forecaster.of_body(json.dumps(body).encode()) == found
    assert app.forecaster.of_stored(status.execution_id).durations.recorded == 0


def test_a_workflow_that_never_ran_or_is_gone(app: Application) -> None:
    submitted = app.submission.submit(json.dumps(fan_out(10)).encode(), None)
    usage = app.status.of(submitted.execution_id).usage
    assert usage.planned is not None and (usage.transitions, usage.planned.transitions) == (0, 5)
    with pytest.raises(NotFound):
        app.forecaster.of_stored(submitted.execution_id, instance_id=submitted.execution_id)
    status = ran(app, fan_out(10))
    app.control.delete(status.execution_id)
    app.definitions._plans.clear()
    assert app.status.of(str(status.instance_id)).usage.planned is None


def test_a_plan_is_played_through_once_whatever_is_asked(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    played = []
    rehearse = forecast.rehearse

    def noted(*given: Any) -> Any:
        played.append(given)
        return rehearse(*given)

    monkeypatch.setattr(forecast, "rehearse", noted)
    instance_id = run(by_messages(app), fan_out(50))
    for nodes in (True, False, False):
        assert app.status.of(instance_id, nodes=nodes).usage.planned is not None
    app.control.pause(instance_id)
    assert app.control.resume(instance_id).usage.planned is not None
    drain(app, app.queue)  # type: ignore[arg-type]
    assert len(played) == 1
