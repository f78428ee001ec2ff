"""`python -m benchmarks.overload [--instances 1000] [--url URL]`: many instances at once, few workers.

Clients trigger as fast as they can, while others read the statuses of the instances, until all are terminal. Without
`--url` it starts a stack of its own, as `make run` does. It prints rates, latencies, and how often triggers were
refused: a refused client waits for the time in Retry-After, and tries again.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.stack import running_stack

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")
WIDTH = 8


class Client:
    """A kept-alive connection. `seconds`: how long each answer took. `codes`: how often each status came."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=120)
        self.seconds: list[float] = []
        self.codes: Counter[int] = Counter()

    def close(self) -> None:
        self._connection.close()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, float]:
        """The status, the document, and the seconds after which to try again."""
        started = time.perf_counter()
        self._connection.request(method, path, None if body is None else json.dumps(body))
        answer = self._connection.getresponse()
        document = json.loads(answer.read())
        self.seconds.append(time.perf_counter() - started)
        self.codes[answer.status] += 1
        return answer.status, document, float(answer.headers.get("Retry-After") or 0)


class Load:
    """The instances to trigger, the running ones, and how many ended in each status."""

    def __init__(self, url: str, execution_id: str, instances: int) -> None:
        self._url, self._execution_id, self.instances = url, execution_id, instances
        self._left = iter(range(instances))
        self._lock = threading.Lock()
        self._running: list[str] = []
        self.ended: Counter[str] = Counter()

    def trigger(self) -> Client:
        """Trigger instances until none is left."""
        client = Client(self._url)
        while True:
            with self._lock:
                if next(self._left, None) is None:
                    return client
            while True:
                code, document, wait = client.call("POST", f"/api/workflow/trigger/{self._execution_id}")
                if code == 202:
                    break
                time.sleep(wait or 1)
            with self._lock:
                self._running.append(document["instance_id"])

    def read(self) -> Client:
        """Read the status of one running instance after the other, until all are terminal."""
        client = Client(self._url)
        while (left := self.instances - sum(self.ended.values())) > 0:
            with self._lock:
                instance_id = self._running.pop(random.randrange(len(self._running))) if self._running else None
            if instance_id is None:
                time.sleep(0.01 if left else 0)
                continue
            code, document, _ = client.call("GET", f"/api/workflows/{instance_id}")
            with self._lock:
                if code == 200 and document["status"] in TERMINAL:
                    self.ended[document["status"]] += 1
                else:
                    self._running.append(instance_id)
        return client


def workflow() -> dict[str, Any]:
    """1 -> 8 -> 1."""
    middle = [{"id": f"n{number}", "handler": "noop", "dependencies": ["input"]} for number in range(WIDTH)]
    ends = [
        {"id": "input", "handler": "input", "dependencies": []},
        {"id": "output", "handler": "output", "dependencies": [node["id"] for node in middle]},
    ]
    return {"name": "overload", "dag": {"nodes": [*ends, *middle]}}


def latencies(clients: list[Client]) -> str:
    seconds = sorted(second for client in clients for second in client.seconds)
    p50, p99 = (seconds[min(len(seconds) - 1, int(len(seconds) * share))] for share in (0.5, 0.99))
    codes: Counter[int] = sum((client.codes for client in clients), Counter())
    said = ", ".join(f"{count:,} x {code}" for code, count in sorted(codes.items()))
    return f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, longest {seconds[-1] * 1000:.0f} ms ({said})"


def measure(url: str, *, instances: int, clients: int, readers: int) -> bool:
    """Measure and print. Returns whether every instance completed."""
    first = Client(url)
    execution_id = first.call("POST", "/api/workflow", workflow())[1]["execution_id"]
    instance_id = first.call("POST", f"/api/workflow/trigger/{execution_id}")[1]["instance_id"]
    first.call("GET", f"/api/workflows/{instance_id}?wait=20")
    idle = Client(url)
    for _ in range(300):
        idle.call("GET", f"/api/workflows/{instance_id}")
    print(f"status, nothing else to do: {latencies([idle])}")

    load = Load(url, execution_id, instances)
    with ThreadPoolExecutor(clients + readers) as threads:
        started = time.perf_counter()
        triggers = [threads.submit(load.trigger) for _ in range(clients)]
        reads = [threads.submit(load.read) for _ in range(readers)]
        triggered = [future.result() for future in triggers]
        accepted = time.perf_counter() - started
        read = [future.result() for future in reads]
        ended = time.perf_counter() - started
    print(f"{instances:,} triggers by {clients} clients: {accepted:.1f} s, {instances / accepted:.0f}/s")
    print(f"triggers: {latencies(triggered)}")
    print(f"status under that load, by {readers} readers: {latencies(read)}")
    nodes = instances * (WIDTH + 2)
    print(f"all terminal after {ended:.1f} s, {nodes / ended:.0f} nodes/s: {dict(load.ended)}")
    return load.ended == {"COMPLETED": instances}


@contextlib.contextmanager
def started(workers: int, max_backlog: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"WORKERS": str(workers), "MAX_BACKLOG": str(max_backlog), "LOG_LEVEL": "WARNING"}
        with running_stack(Path(folder) / "data", settings) as stack:
            yield stack.url


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--url", help="a service that runs already")
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16, help="that trigger (default %(default)s)")
    parser.add_argument("--readers", type=int, default=4, help="that ask for statuses (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of its own stack (default %(default)s)")
    parser.add_argument("--max-backlog", type=int, default=100_000, help="of its own stack (default %(default)s)")
    arguments = parser.parse_args()
    with (
        contextlib.nullcontext(arguments.url)
        if arguments.url
        else started(arguments.workers, arguments.max_backlog) as url
    ):
        completed = measure(url, instances=arguments.instances, clients=arguments.clients, readers=arguments.readers)
    return 0 if completed else 1


if __name__ == "__main__":
    raise SystemExit(main())
