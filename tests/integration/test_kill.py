"""One of two real workers is killed halfway: everything completes, and each node has exactly one committed result."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples import run as client
from tests.support.harness import wait_until
from tests.support.stack import RunningStack, running_stack

PACE_HANDLER = """
import time
from chalicelib.handlers import Config, handler

class Pace(Config):
    seconds: float = 0.005

@handler("pace")
def pace(config: Pace) -> str:
    time.sleep(config.seconds)
    return "done"
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder: Path = tmp_path_factory.mktemp("kill")
    (folder / "pace_handler.py").write_text(PACE_HANDLER)
    settings = {
        "PYTHONPATH": str(folder),
        "HANDLER_MODULES": "pace_handler",
        "LEASE_SECONDS": "2",
        "RESEND_SECONDS": "2",
    }
    with running_stack(folder / "data", settings) as running:
        yield running


def paced(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the same workflow, slow enough to be interrupted."""
    for node in workflow["dag"]["nodes"]:
        if node["handler"] == "noop":
            node["handler"] = "pace"
    return workflow


@pytest.mark.parametrize("shape", ["fan", "layered"])
def test_a_worker_killed_half_way_costs_nothing(stack: RunningStack, shape: str) -> None:
    workflow = paced(client.fan_out(1000) if shape == "fan" else client.layered(20, 50))
    total = len(workflow["dag"]["nodes"])
    execution_id = client.call(stack.url, "/api/workflow", workflow)["execution_id"]
    instance_id = client.call(stack.url, f"/api/workflow/trigger/{execution_id}", {})["instance_id"]

    def status(wait: int = 0) -> dict[str, Any]:
        answer: dict[str, Any] = client.call(stack.url, f"/api/workflows/{instance_id}?wait={wait}")
        return answer

    wait_until(lambda: status()["progress"]["completed"] > total * 0.4, what="half of the nodes", seconds=60)
    victim = stack.pids("local.worker")[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(
        lambda: len(stack.pids("local.worker")) == 2 and victim not in stack.pids("local.worker"), what="a new worker"
    )
    view = wait_until(lambda: (now := status(20))["status"] == "COMPLETED" and now, seconds=90, what="COMPLETED")
    assert view["progress"]["completed"] == total
    assert {node["status"] for node in view["nodes"].values()} == {"COMPLETED"}
    results = client.call(stack.url, f"/api/workflows/{instance_id}/results")
    assert len(results["results"]) == total
    again = [id for id, node in view["nodes"].items() if node["attempt"] > 1]
    # At most what the killed worker held: some batches of nodes that wait, and never more than were ready at once.
    assert len(again) <= (200 if shape == "fan" else 50)
