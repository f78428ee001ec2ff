"""Restate: its server, and two Hypercorn workers that serve restate_services.py. Clients ask its ingress."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import restate_server
from benchmarks.engines.protocol import directory, new_id, serve
from benchmarks.restate_server import Server
from local.processes import spawn, stop, wait_ready
from local.sockets import free_port, is_served

WORKERS = 2


class Client:
    """Each instance is a request of its own, whose answer is its end."""

    def __init__(self, server: Server) -> None:
        self._port = server.ingress

    def run(self, workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
        with ThreadPoolExecutor(instances) as pool:
            return dict(pool.map(lambda _: self._one(workflow), range(instances)))

    def _one(self, workflow: Mapping[str, Any]) -> tuple[str, float]:
        instance, started = new_id(), time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        body = json.dumps({"instance": instance, "workflow": workflow})
        connection.request("POST", "/Bench/dag", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status}: {text[:200].decode(errors='replace')}")
        return instance, time.perf_counter() - started


@contextlib.contextmanager
def services() -> Iterator[str]:
    """The URL of the services."""
    port = free_port()
    app = "benchmarks.engines.restate_services:app"
    command = [sys.executable, "-m", "hypercorn", app, "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS)]
    process = spawn(command, output=2)
    try:
        wait_ready(process, lambda: is_served(port), seconds=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def main() -> None:
    with restate_server.running(directory()) as server, services() as url:
        server.register(url)
        more = {"restate-server": restate_server.version()}
        serve(Client(server).run, "restate-sdk", "hypercorn", more=more)


if __name__ == "__main__":
    main()
