"""The turn of an engine: its servers and its adapter as child processes, warmed up, until the turn is over."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import service, trace
from benchmarks.catalogue import Engine
from benchmarks.dag import Dag
from benchmarks.workloads import WARM, Workload
from local import valkey
from local.processes import ROOT, TETHER, spawn, stop, tail, wait_ready
from local.sockets import free_port

START_SECONDS = 120


class Failed(Exception):
    """Something went wrong; the message says what."""


class Lost(Failed):
    """A run went wrong, but the engine goes on."""


class OverTime(Failed):
    """The engine is in an unknown state: it must be ended."""


class Turn:
    """A running adapter. `directory` is removed with it."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._directory = directory
        self._trace = directory / "trace"
        self._log = directory / "adapter.log"
        self._exits = contextlib.ExitStack()
        environment = os.environ | {"BENCH_DIR": str(directory), "BENCH_TRACE": str(self._trace)}
        environment |= engine.settings | {"BENCH_SERVICE": self._exits.enter_context(service.running())}
        self._warm = [workload for workload in WARM if engine.runs(workload)]
        if engine.redis:
            environment["BENCH_REDIS_URL"] = self._exits.enter_context(running_valkey(directory))
        self._process = self._spawn(engine, environment)
        self.versions: dict[str, str] = {}

    def _spawn(self, engine: Engine, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start the adapter, which dies with this process, in a group that can be killed as a whole."""
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid())]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*tether, str(engine.python), "-m", f"benchmarks.engines.{engine.module}"],
                env=environment | {"PYTHONUNBUFFERED": "1"},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Wait until the adapter is up. Raises Failed."""
        self.versions = self._answer(START_SECONDS)["versions"]

    def warm(self) -> None:
        """Run a little of everything twice, however long it takes."""
        for workload in self._warm * 2:
            with contextlib.suppress(Lost):
                self.run(workload, START_SECONDS)

    def run(self, workload: Workload, seconds: float) -> dict[str, Any]:
        """`seconds` and `latencies` of a run whose trace is right. Raises Lost, and OverTime after `seconds`."""
        workflow = workload.make()
        self._trace.write_bytes(b"")
        assert self._process.stdin is not None
        request = {"workflow": workflow, "instances": workload.instances}
        if workload.beside:
            request["beside"] = workload.beside()
        with contextlib.suppress(BrokenPipeError):  # reported when the answer is read
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        try:
            answer: dict[str, Any] = self._answer(seconds)
        except OverTime as error:
            lines = len(self._trace.read_text().splitlines())
            wanted = len(workflow["dag"]["nodes"]) * workload.instances
            raise OverTime(f"{error}: {lines:,} of {wanted:,} nodes had run") from None
        if "error" in answer:
            raise Lost(self._plain(answer["error"]))
        if wrong := self._fault(workflow, workload, answer["latencies"]):
            raise Lost(wrong)
        return answer

    def _fault(self, workflow: Any, workload: Workload, latencies: dict[str, float]) -> str | None:
        if len(latencies) != workload.instances:
            return f"{len(latencies)} of {workload.instances} instances ended"
        return trace.fault(self._trace.read_text().splitlines(), Dag.of(workflow), latencies)

    def _answer(self, seconds: float) -> Any:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                raise OverTime(f"over {seconds:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise OverTime(self._plain("the adapter ended: " + " / ".join(tail(self._log, 3))))
        return json.loads(line)

    def _plain(self, text: str) -> str:
        """The text without paths of this machine, since it goes into the report."""
        return text.replace(str(self._directory), "DIR").replace(str(ROOT), ".")

    def end(self) -> None:
        """End the adapter by closing its input; kill what is left after that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        self.kill()

    def kill(self) -> None:
        stop(self._process, seconds=0)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._exits.close()
        shutil.rmtree(self._directory, ignore_errors=True)


@contextlib.contextmanager
def running(engine: Engine) -> Iterator[Turn]:
    """A turn, warmed up. Raises Failed."""
    turn = Turn(engine, Path(tempfile.mkdtemp(prefix=f"bench-{engine.name}-")))
    try:
        turn.start()
        turn.warm()
        yield turn
    except OverTime:
        turn.kill()
        raise
    finally:
        turn.end()  # does nothing after a kill


@contextlib.contextmanager
def running_valkey(directory: Path) -> Iterator[str]:
    """Run Valkey as `make run` does, with its append-only file in `directory`; yields its URL."""
    port = free_port()
    process = spawn(valkey.command(port, directory), output=subprocess.DEVNULL)
    try:
        wait_ready(process, lambda: valkey.is_ready(port), seconds=20, port=port)
        yield valkey.url(port)
    finally:
        stop(process)
