"""`dag` on a real stack: it runs, controls and shows instances."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.failures import Exit
from cli.main import app
from local.processes import ROOT
from tests.support.harness import wait_until
from tests.support.stack import RunningStack

DAG = Path(sys.executable).with_name("dag")
CALL = {"id": "call", "handler": "call_external_service", "config": {"url": "{{ params.url }}"}}
LATER = {"max_attempts": 2, "initial_backoff_seconds": 86400, "max_backoff_seconds": 86400}
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def settings(stack: RunningStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAG_URL", stack.url)
    monkeypatch.setenv("DAG_CONFIG", str(tmp_path / "config.toml"))


def dag(*words: str, stdin: Any = None) -> Result:
    given = json.dumps(stdin) if stdin is not None else None
    return CliRunner().invoke(app, list(words), input=given, catch_exceptions=False)


def asked(*words: str, stdin: Any = None) -> Any:
    """Run a command with --json, which prints nothing but JSON to stdout."""
    return json.loads(dag(*words, "--json", stdin=stdin).stdout)


def workflow(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "By dag", "dag": {"nodes": list(nodes)}, **more}


def test_run_an_example_and_look_at_it(tmp_path: Path) -> None:
    done = dag("run", "examples/fan_out_fan_in.json", "--watch", "--tag", "team=a")
    assert done.exit_code == Exit.OK
    assert json.loads(done.stdout) == {"order": 7, "amount": 12.5, "left": 3, "ship_to": "Utrecht"}
    assert "5 of 5 nodes" in done.stderr and "  ✓ price" in done.stderr

    [one] = asked("list", "--tag", "team=a", "--name", "THREE BRANCHES")["instances"]
    id = one["instance_id"]
    assert one["status"] == "COMPLETED" and id in dag("list", "--of", one["execution_id"]).stdout
    assert asked("results", id)["results"]["stock"] == {"left": 3}
    assert asked("results", id, "--node", "price") == {"amount": 12.5}
    assert re.search(r"^price +COMPLETED +1 ", dag("status", id).stdout, re.M)
    assert one["execution_id"] in dag("list", "--workflows").stdout

    history = asked("history", id, "--node", "output")
    assert [event["event"] for event in history["events"] if event["node"]] == ["ready", "started", "completed"]
    assert dag("history", id, "--node", "output").stdout.splitlines()[-1] == f"output: {history['why']['output']}"

    file = tmp_path / "drawn.svg"
    assert dag("graph", id, "-o", str(file)).exit_code == Exit.OK
    assert file.read_text().count('class="COMPLETED"') == 5
    assert asked("graph", one["execution_id"])["nodes"][0] == {"id": "input", "status": None}

    assert dag("delete", id, "--yes").exit_code == Exit.OK
    assert dag("status", id).exit_code == Exit.NOT_FOUND


def test_pause_resume_cancel() -> None:
    waits = {**CALL, "retry_policy": LATER}
    id = asked("run", "-", "-p", f"url={NOWHERE}", stdin=workflow(waits))["instance_id"]
    wait_until(lambda: asked("status", id)["nodes"]["call"]["attempt"] == 2, what="the first failure")
    assert dag("results", id).exit_code == Exit.RUNNING
    assert dag("delete", id, "--yes").exit_code == Exit.CONFLICT
    assert "paused" in dag("pause", id).stdout
    assert asked("status", id)["paused"]
    assert dag("resume", id).exit_code == Exit.OK and not asked("status", id)["paused"]
    assert dag("status", id, "--watch", "--timeout", "0.1").exit_code == Exit.RUNNING
    assert "CANCELLED" in dag("cancel", id, "--reason", "enough [red]").stdout
    looked = dag("status", id)
    assert looked.exit_code == Exit.CANCELLED and "enough [red]" in looked.stdout
    assert dag("pause", id).exit_code == Exit.CONFLICT


def test_a_failed_instance_is_run_again_with_other_params(stack: RunningStack) -> None:
    failed = dag("run", "-", "-w", "-p", f"url={NOWHERE}", stdin=workflow(CALL, {"id": "more", "handler": "noop"}))
    assert failed.exit_code == Exit.FAILED and "✗ call" in failed.stderr
    id = asked("list", "-n", "1")["instances"][0]["instance_id"]
    again = dag("rerun", id, "--from", "call", "-p", f"url={stack.url}/api/health", "--watch", "--json")
    assert again.exit_code == Exit.OK and "1 nodes run again" in again.stderr
    results = json.loads(again.stdout)
    assert results["epoch"] == 2 and results["results"]["call"]["status"] == 200
    assert dag("rerun", id).exit_code == Exit.CONFLICT
    assert dag("rerun", id, "--from", "nobody").exit_code == Exit.INVALID
    assert "call" not in asked("results", id, "--epoch", "1")["results"]


def test_the_script_on_a_terminal(stack: RunningStack) -> None:
    """The installed script, in a process of its own, draws on the terminal, and writes only the output to the pipe."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": "30", "COLUMNS": "100"}
    command = [str(DAG), "run", "examples/linear.json", "--watch"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=30)
    os.close(theirs)
    drawn = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == Exit.OK
    assert json.loads(done.stdout) == {"text": "Hello, World!", "to": "World"}
    assert "2/2" in drawn and "━" in drawn and "greeting" in drawn


def test_the_doctor_of_an_instance(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", stack.environment["DATA_DIR"])
    id = asked("run", "-", "-p", f"url={NOWHERE}", stdin=workflow({**CALL, "retry_policy": LATER}))["instance_id"]
    wait_until(lambda: asked("status", id)["nodes"]["call"]["attempt"] == 2, what="the first failure")
    said = asked("doctor", "--instance", id)["lines"]
    assert said[0].startswith(f"{id} of ex-") and "it waits for a worker" in said[-1]
    assert dag("doctor", "--instance", "in-" + "0" * 30).exit_code == Exit.NOT_FOUND
    dag("cancel", id)


def test_validate_stores_nothing(tmp_path: Path) -> None:
    before = asked("list", "--workflows", "-n", "1")
    assert dag("validate", "examples/linear.json").exit_code == Exit.OK
    file = tmp_path / "wf.json"
    file.write_text(
        '{"name": "x",\n "dag": {"nodes": [\n  {"id": "a",\n   "handler": "noop", "dependencies": ["a"]}]}}'
    )
    refused = dag("validate", str(file), "--json")
    [error] = json.loads(refused.stdout)["errors"]
    assert refused.exit_code == Exit.INVALID and error["pointer"].startswith("/dag/nodes/0") and error["line"] in (3, 4)
    assert dag("validate", "-", stdin={"workflow": workflow(CALL)}).exit_code == Exit.INVALID
    file.write_text('{"name":\n oops}')
    assert "line 2, / Expecting value" in dag("validate", str(file)).stderr
    assert asked("list", "--workflows", "-n", "1") == before


def test_what_a_run_will_take_and_took(stack: RunningStack) -> None:
    fetch = workflow({"id": "first", "handler": "noop"}, {**CALL, "dependencies": ["first"]})
    planned = asked("plan", "-", "--workers", "1", "-d", "call=2", stdin=fetch)
    assert planned["critical_path"]["nodes"] == ["first", "call"]
    assert planned["durations"]["given"] == 1 and planned["makespan"]["workers"] == 1
    results = asked("run", "-", "-w", "-p", f"url={stack.url}/api/health", stdin=fetch)
    stored = asked("plan", results["execution_id"], "--recorded", results["instance_id"])
    assert stored["durations"]["recorded"] == 1 and stored["critical_path"]["seconds"] < 1
    assert asked("plan", results["execution_id"], "-d", "call=2", "--workers", "1") == planned
    shown = dag("plan", results["execution_id"])
    assert shown.exit_code == Exit.OK and "Step Functions Express" in shown.stdout
    refused = dag("plan", "-", "-d", "nobody=2", stdin=fetch)
    assert refused.exit_code == Exit.INVALID and "/durations/nobody" in refused.stderr


def test_health_and_faults() -> None:
    assert asked("health")["status"] == "ok"
    refused = dag("submit", "-", stdin=workflow({"id": "a", "handler": "nop", "dependencies": ["b"]}))
    assert refused.exit_code == Exit.INVALID
    assert "line 1, /dag/nodes/0/handler there is no handler `nop`: did you mean `noop`?" in refused.stderr
