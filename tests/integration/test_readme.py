"""README and docs/ are run: their sessions word for word, the handler, the examples."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from local.config import Config
from local.processes import ROOT
from local.sockets import free_port
from tests.support.stack import RunningStack

DOCS = "".join(path.read_text("utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
VARYING = [
    (r"\b(ex|in)-[0-9a-f]{30}", r"\1-ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b\d+(\.\d)? (ms|s)\b", "LONG"),
    (r"\bworker [0-9a-f]{8}\b", "WORKER"),
    (r"^\[1\] .*\n", ""),
]


def normal(text: str) -> str:
    """Return the text without what is different each time: ids, times, durations."""
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text, flags=re.M)
    return text.strip()


def examples_on_a_free_port(folder: Path) -> int:
    """A copy of the examples whose service uses another port, since the README's port may be in use."""
    port = free_port()
    shutil.copytree(ROOT / "examples", folder / "examples")
    for path in (folder / "examples").rglob("*.*"):
        if path.suffix in (".json", ".py"):
            path.write_text(path.read_text("utf-8").replace("8911", str(port)), "utf-8")
    return port


@pytest.mark.parametrize("block", re.findall(r"```console\n(.*?)```", DOCS, re.S), ids=["curl", "dag"])
def test_a_session_prints_what_the_docs_say(stack: RunningStack, block: str, tmp_path: Path) -> None:
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    expected = "\n".join(line for line in block.splitlines() if not line.startswith("$ "))
    script = "\n".join(commands).replace("http://127.0.0.1:8000", stack.url)
    port = examples_on_a_free_port(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    # The service in the background has a moment to start, as when a user types.
    waiting = f"& until (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.05; done  # a small HTTP service"
    script = script.replace("&  # a small HTTP service", waiting, 1)
    session = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "DAG_URL": stack.url, "DAG_CONFIG": str(tmp_path / "config.toml")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        printed, _ = session.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(session.pid, signal.SIGKILL)
    assert normal(printed) == normal(expected)


@pytest.mark.parametrize(
    "name",
    ["linear", "fan_out_fan_in", "http_call", "retry", "policies", "large", "webhook", "fan_out_1000", "layered"],
)
def test_examples(stack: RunningStack, name: str) -> None:
    command = [sys.executable, "examples/run.py", name, "--url", stack.url]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " COMPLETED: " in done.stdout
    if name == "retry":
        assert "third time lucky" in done.stdout
    if name == "large":
        assert '"last": "07999 ===' in done.stdout
        assert list((stack.log.parent / "values").rglob("report/1-*.json"))
    if name == "webhook":
        assert "webhook: instance.completed in-" in done.stdout and ", signed v1," in done.stdout
        assert "webhook DELIVERED, attempts: 1" in done.stdout


def test_the_example_of_control(stack: RunningStack) -> None:
    command = [sys.executable, "examples/control.py", "--url", stack.url]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = ["the first run is FAILED", "run 3 is COMPLETED", "then CANCELLED", "deleted: [204, 204]"]
    assert [line for line in told if line not in done.stdout] == []


def test_the_example_of_a_synchronous_run(stack: RunningStack) -> None:
    command = [sys.executable, "examples/synchronous.py", "--url", stack.url]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = ["COMPLETED {'name': 'User 7'", "with the same key, the same instance: True", "FAILED get_user: "]
    assert [line for line in told if line not in done.stdout] == []


def test_the_example_of_a_plan(stack: RunningStack) -> None:
    command = [sys.executable, "examples/plan.py", "layered", "--url", stack.url]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = ["1000 nodes in 20 levels, 50 at once", "COMPLETED", "1 messages, 1 planned"]
    assert [line for line in told if line not in done.stdout] == []
    # How far a trigger gets in its 20 ms depends on the machine.
    [(took, planned)] = re.findall(r"(\d+) transitions, (\d+) planned", done.stdout)
    assert abs(int(took) - int(planned)) <= 3


def test_the_handler_of_the_docs_is_the_example_and_runs(stack: RunningStack, tmp_path: Path) -> None:
    source = (ROOT / "examples/greet_handler.py").read_text("utf-8").strip()
    assert source in DOCS
    workflow = tmp_path / "greet.json"
    workflow.write_text('{"name":"g","dag":{"nodes":[{"id":"g","handler":"greet","config":{"name":"Ada"}}]}}')
    command = [sys.executable, "examples/run.py", str(workflow), "--url", stack.url]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)
    assert "Hello, Ada!" in done.stdout, done.stdout + done.stderr


def test_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", DOCS, re.M)):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"


def test_the_page_of_settings_has_every_setting_and_no_other() -> None:
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    cells = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", page, re.M)
    named = [name for cell in cells for name in re.findall(r"[A-Z_]+", cell)]
    known = {name.upper() for name in {*Settings.model_fields, *Config.model_fields}}
    assert sorted(named) == sorted(known)
