"""`python -m local` as a whole: it starts, restarts a killed worker and a killed server, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.processes import ROOT
from local.sockets import free_port
from tests.support.harness import wait_until

MARKER = "DAG_SERVICE_TEST_STACK"
WORKFLOW = {
    "name": "two",
    "dag": {
        "nodes": [
            {"id": "input", "handler": "input", "dependencies": []},
            {"id": "output", "handler": "output", "dependencies": ["input"]},
        ]
    },
}


class Run:
    """A local run in a process of its own, its output, and the processes that it started."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.port = free_port()
        self._data_dir = data_dir
        self.marker = uuid.uuid4().hex
        self.seen: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        # Its own ports, since another run may take the default ones while a server of this one is down.
        servers = {"VALKEY_PORT": str(free_port()), "LOCALSTACK_PORT": str(free_port())}
        env = {**os.environ, **servers, MARKER: self.marker, "PORT": str(self.port), "DATA_DIR": str(data_dir)}
        env |= {"WORKERS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))

    def expect(self, pattern: str, *, seconds: float = 60) -> str:
        """Return the next line that matches."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"no line like {pattern!r} in {seconds} s; seen:\n" + "\n".join(self.seen)
                ) from None
            self.seen.append(line)
            if re.search(pattern, line):
                return line

    def processes(self) -> dict[int, str]:
        """Return every live process of the run, with its command line.

        Each has the marker, except Valkey, whose title overwrites its environment, and which is known by its folder.
        """
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                marked = f"{MARKER}={self.marker}".encode() in (entry / "environ").read_bytes().split(b"\0")
                if marked or (entry / "cwd").readlink().is_relative_to(self._data_dir):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def pid_of(self, part: str) -> int:
        return next(pid for pid, command in sorted(self.processes().items()) if part in command)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def metric(self, name: str) -> float:
        """Return the sum of a metric over all processes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/api/metrics")
            response = connection.getresponse()
            assert response.status == 200 and response.getheader("Content-Type", "").startswith("text/plain; version=")
            families = text_string_to_metric_families(response.read().decode())
            return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def run_workflow(self) -> str:
        """Run an instance of two nodes. Returns the status in which it ended."""
        execution_id = self.request("POST", "/api/workflow", WORKFLOW)[1]["execution_id"]
        status, found = self.request("POST", f"/api/workflow/trigger/{execution_id}?wait=25")
        assert status == 200, found
        return str(found["status"])

    def wait_gone(self, *, seconds: float) -> None:
        end = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < end, f"left behind: {left}"
            time.sleep(0.05)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with contextlib.closing(Run(tmp_path / "data")) as started:
        yield started


def test_up_repaired_and_down(run: Run) -> None:
    line = run.expect("^Ready: ")
    assert f"http://127.0.0.1:{run.port}/api/docs" in line and f"http://127.0.0.1:{run.port}/api/health" in line
    assert run.request("GET", "/api/health")[0] == 200
    assert run.run_workflow() == "COMPLETED"

    wait_until(lambda: run.metric("dag_sweep_lag_seconds_count") >= 1, what="the poller counts its sweeps")

    os.kill(run.pid_of("local.worker"), signal.SIGKILL)
    name = run.expect(r"worker-\d died \(SIGKILL\)").split("|")[1].split()[0]
    run.expect(f"{name} is back")
    assert run.run_workflow() == "COMPLETED"

    for server, part in (("valkey", "-server 127.0.0.1:"), ("localstack", "localstack.runtime.main")):
        os.kill(run.pid_of(part), signal.SIGKILL)
        run.expect(rf"{server} died \(SIGKILL\)")
        run.expect(f"{server} is back")
        assert run.run_workflow() == "COMPLETED"

    # HTTP and workers counted, one of which was killed meanwhile.
    wait_until(lambda: run.metric("dag_instances_completed_total") == 4, what="every end is counted once")
    assert run.metric("dag_instances_started_total") == 4 and run.metric("dag_node_attempts_total") == 8
    assert run.metric("dag_instances_live") == 0 and run.metric("dag_dead_letters_waiting") == 0

    begun = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(15) == 0
    assert time.monotonic() - begun < 12
    run.wait_gone(seconds=1)


def test_nothing_outlives_a_supervisor_that_is_killed(run: Run) -> None:
    run.expect("^Ready: ")
    assert len(run.processes()) >= 7
    run.process.kill()
    run.wait_gone(seconds=10)


def test_the_http_processes_live_and_die_together(run: Run) -> None:
    """They share a port, so one that outlives the first could serve an older configuration."""
    run.expect("^Ready: ")

    def servers() -> set[int]:
        return {pid for pid, command in run.processes().items() if "local.server" in command}

    def are_others(before: set[int]) -> bool:
        return len(servers()) == 2 and not servers() & before

    wait_until(lambda: are_others(set()), what="two processes")
    for _ in range(3):
        before = servers()
        first = next(pid for pid in before if f"PPid:\t{run.process.pid}\n" in Path(f"/proc/{pid}/status").read_text())
        os.kill(first, signal.SIGKILL)
        run.expect("http is back")
        wait_until(functools.partial(are_others, before), what="two others")
    assert run.run_workflow() == "COMPLETED"
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(15) == 0
    run.wait_gone(seconds=1)


def test_without_http_it_says_how_to_run_chalice_local(tmp_path: Path) -> None:
    with contextlib.closing(Run(tmp_path / "data", "--no-http")) as run:
        assert "make local-http" in run.expect("^Ready: ")
        assert not [command for command in run.processes().values() if "local.server" in command]
        exported = (tmp_path / "data" / "env").read_text()
        assert all(f"export {name}=" in exported for name in ("REDIS_URL", "QUEUE_URL", "AWS_ENDPOINT_URL"))
        run.process.terminate()
        assert run.process.wait(15) == 0
        run.wait_gone(seconds=1)


def test_a_port_in_use_ends_it_with_a_sentence(tmp_path: Path, run: Run) -> None:
    run.expect("^Ready: ")
    env = {**os.environ, "PORT": str(run.port), "DATA_DIR": str(tmp_path / "other")}
    second = subprocess.run(
        [sys.executable, "-m", "local"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30
    )
    assert second.returncode == 1
    assert re.search(rf"port {run.port} \(HTTP\) is in use .*PORT=", second.stdout)
