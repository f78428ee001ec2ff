"""Restate's server, which npm installs into .venv-bench-restate where node is there."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import health
from local.processes import ROOT, spawn, stop, wait_ready
from local.sockets import free_port

PACKAGES = ROOT / ".venv-bench-restate" / "node_modules" / "@restatedev"


def _program() -> Path | None:
    """The binary itself: npm's `restate-server` is a wrapper, which it would outlive."""
    return next(PACKAGES.glob("restate-server-*/bin/restate-server"), None)


def is_there() -> bool:
    return _program() is not None


def version() -> str:
    done = subprocess.run([str(_program()), "--version"], text=True, capture_output=True, check=True)
    return done.stdout.split()[-1]


@dataclass(frozen=True, slots=True)
class Server:
    """The ports of its ingress and of its admin API."""

    ingress: int
    admin: int

    def is_healthy(self) -> bool:
        answer = health.ask("127.0.0.1", self.admin, "/health", seconds=5)
        return answer is not None and answer[0] == 200

    def register(self, url: str) -> None:
        """Let it call the services at this URL."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        connection.request("POST", "/deployments", json.dumps({"uri": url}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status}: {text[:300]!r}")


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """Run a node alone on the loopback address, with its own settings but for the limit of concurrent invocations."""
    server = Server(free_port(), free_port())
    environment: dict[str, Any] = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory),
        "RESTATE_BASE_DIR": str(directory / "restate"),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_PORT": str(free_port()),
        "RESTATE_ADVERTISED_HOST": "127.0.0.1",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{server.ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{server.admin}",
        "RESTATE_NODE_NAME": "bench",
        "RESTATE_DISABLE_TELEMETRY": "true",
        # By default 1,000: a fan of 1,000 calls and the handler that makes them are more.
        "RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT": "10000",
        "RUST_LOG": "error",
    }
    process = spawn([str(_program()), "--no-logo"], env=environment, output=2)
    try:
        wait_ready(process, server.is_healthy, seconds=60)
        yield server
    finally:
        stop(process, seconds=10)
