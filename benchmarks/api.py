"""`python -m benchmarks.api`: requests per second over HTTP at the local server, and at the Lambda handler alone.

Four clients with kept-alive connections share two cores with the whole stack. The workflow has ten nodes.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.floor import running_localstack
from benchmarks.turn import running_valkey
from examples.run import fan_out
from local import queues
from tests.support.stack import running_stack

CLIENTS = 4
SECONDS = 4.0
BODY = json.dumps(fan_out(8)).encode()
Call = Callable[[str, str, bytes], Any]


def main() -> None:
    print("| requests/s | local server | Lambda handler |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        with running_stack(Path(folder) / "stack", {"WORKERS": "2"}) as stack:
            local = measure(lambda: over_http(stack.url))
        handler = measure_handler(Path(folder))
    for what, figure in local.items():
        print(f"| {what} | {figure:,.0f} | {handler[what]:,.0f} |")


def measure(connect: Callable[[], Call], *, clients: int = CLIENTS) -> dict[str, float]:
    """Requests per second, by kind of request."""
    call = connect()
    execution_id = call("POST", "/api/workflow", BODY)["execution_id"]
    instance_id = call("POST", f"/api/workflow/trigger/{execution_id}", b"")["instance_id"]
    status = f"/api/workflows/{instance_id}"
    return {
        "submissions": rate(connect, clients, "POST", "/api/workflow", BODY),
        "triggers": rate(connect, clients, "POST", f"/api/workflow/trigger/{execution_id}", b""),
        "status": rate(connect, clients, "GET", status, b""),
        "status without nodes": rate(connect, clients, "GET", status + "?nodes=false", b""),
    }


def rate(connect: Callable[[], Call], clients: int, method: str, path: str, body: bytes) -> float:
    counts: list[int] = []

    def client() -> None:
        call, count, end = connect(), 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            call(method, path, body)
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def over_http(url: str) -> Call:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)

    def call(method: str, path: str, body: bytes) -> Any:
        connection.request(method, path, body or None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        assert response.status < 300, answer[:300]
        return json.loads(answer)

    return call


def measure_handler(folder: Path) -> dict[str, float]:
    """The function behind API Gateway, called in this process with API Gateway's events."""
    os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local", LOG_LEVEL="WARNING")
    with running_valkey(folder) as redis_url, running_localstack(folder) as endpoint:
        queue = queues.ensure(queues.client(endpoint), "api", visibility_seconds=60).queue
        os.environ.update(REDIS_URL=redis_url, AWS_ENDPOINT_URL=endpoint, QUEUE_URL=queue)
        from chalice.test import Client

        import app

        def connect() -> Call:
            client = Client(app.app)

            def call(method: str, path: str, body: bytes) -> Any:
                answer = client.http.request(method, path, headers={"Content-Type": "application/json"}, body=body)
                assert answer.status_code < 300, answer.body[:300]
                return json.loads(answer.body)

            return call

        return measure(connect, clients=1)


if __name__ == "__main__":
    main()
