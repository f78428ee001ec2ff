"""`make run` for tests: the whole stack in processes of its own, on free ports."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local import env_file
from local.localstack import command as localstack_command
from local.processes import ROOT, Missing
from local.sockets import free_port
from tests.support.servers import unavailable

COMMAND = (sys.executable, "-m", "local")


@dataclass
class RunningStack:
    """A running stack. `lines` is its log so far."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text("utf-8", "replace").splitlines()

    def pids(self, part: str) -> list[int]:
        """Return the pids of live children with `part` in their command line, such as `local.worker`."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (entry / "cmdline").exists():
                with contextlib.suppress(OSError, TypeError):
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    status = (entry / "status").read_text()
                    parent = int(re.search(r"^PPid:\s+(\d+)", status, re.M)[1])  # type: ignore[index]
                    if part.encode() in words and parent == self.process.pid:
                        found.append(int(entry.name))
        return sorted(found)

    def exported(self, name: str) -> str:
        """Return an environment variable of the children, such as REDIS_URL."""
        return env_file.read(self.log.parent)[name]


@contextlib.contextmanager
def running_stack(
    data_dir: Path,
    settings: Mapping[str, str] | None = None,
    *,
    command: Sequence[str] = COMMAND,
    free_ports: bool = True,
) -> Iterator[RunningStack]:
    """Start a stack, yield it when it is ready, and end it with SIGINT. Without `free_ports` it chooses the ports."""
    try:
        localstack_command()
    except Missing as error:
        unavailable(str(error))
    foreign = ("REDIS_URL", "AWS_ENDPOINT_URL", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    port = free_port()
    ports = {"PORT": str(port)}
    # A server of the caller's own is not started here, so it has no port to be chosen.
    embedded = {"REDIS_URL": "VALKEY_PORT", "AWS_ENDPOINT_URL": "LOCALSTACK_PORT"}
    if free_ports:
        ports |= {name: str(free_port()) for url, name in embedded.items() if url not in (settings or {})}
    environment |= {"DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"} | ports | dict(settings or {})
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "stack.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        end = time.monotonic() + 60
        while not re.search(r"^Ready: ", log.read_text("utf-8", "replace"), re.M):
            assert process.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < end, log.read_text("utf-8", "replace")
            time.sleep(0.05)
        yield RunningStack(process, f"http://127.0.0.1:{port}", log, environment)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all tests that break nothing of it, since it takes seconds to start."""
    handlers = "examples.greet_handler,tests.browser.handlers"
    settings = {"HANDLER_MODULES": handlers, "SECRET_WEBHOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    with running_stack(tmp_path_factory.mktemp("stack"), settings) as running:
        yield running
