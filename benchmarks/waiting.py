"""`python -m benchmarks.waiting [--calls 1000] [--seconds 0.5] [--rounds 3]`: nodes that wait, two workers.

A fan of calls by `call_external_service` to the service in service.py, which answers each after so many seconds;
instances of two no-ops meanwhile, one after the other; and nodes whose first attempt fails, with a backoff of 0.2 s.
It starts a stack of its own, as `make run` does, and prints seconds, and milliseconds at the median and at p99.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import service
from benchmarks.overload import Client
from benchmarks.results import percentile
from examples.run import fan_out
from tests.support.stack import running_stack

SMALL = {
    "name": "small",
    "dag": {"nodes": [{"id": "a", "handler": "input"}, {"id": "b", "handler": "noop", "dependencies": ["a"]}]},
}
BACKOFF = 0.2


def fan(url: str, calls: int, **more: Any) -> dict[str, Any]:
    """1 -> calls -> 1. `{n}` in the URL is the number of the call."""
    nodes: list[dict[str, Any]] = [{"id": "a", "handler": "input"}]
    for n in range(calls):
        config = {"url": url.replace("{n}", str(n))}
        nodes.append(
            {"id": f"c{n}", "handler": "call_external_service", "dependencies": ["a"], "config": config, **more}
        )
    nodes.append({"id": "z", "handler": "noop", "dependencies": [f"c{n}" for n in range(calls)]})
    return {"name": f"1 -> {calls} -> 1", "dag": {"nodes": nodes}}


def run(client: Client, execution_id: str) -> tuple[str, float]:
    """The instance and the seconds from its trigger to its known end."""
    started = time.perf_counter()
    _, view, _ = client.call("POST", f"/api/workflow/trigger/{execution_id}?wait=25")
    while view["status"] not in ("COMPLETED", "FAILED"):
        _, view, _ = client.call("GET", f"/api/workflows/{view['instance_id']}?wait=25&nodes=false")
    assert view["status"] == "COMPLETED", view
    return view["instance_id"], time.perf_counter() - started


def submit(client: Client, workflow: dict[str, Any]) -> str:
    code, document, _ = client.call("POST", "/api/workflow", workflow)
    assert code == 201, document
    execution_id: str = document["execution_id"]
    return execution_id


def quick_ones(url: str, execution_id: str, stop: threading.Event, seconds: list[float]) -> None:
    """Small instances, one every 20 ms or so."""
    client = Client(url)
    while not stop.wait(0.02):
        seconds.append(run(client, execution_id)[1])
    client.close()


def late(client: Client, instance_id: str) -> list[float]:
    """The milliseconds from the latest end of each backoff, which jitter may shorten, to the second attempt."""
    found, cursor = [], 0
    ended: dict[str, float] = {}
    while True:
        _, page, _ = client.call("GET", f"/api/workflows/{instance_id}/history?limit=200&cursor={cursor}")
        for event in page["events"]:
            at = datetime.fromisoformat(event["at"]).timestamp()
            if event["event"] == "failed" and event.get("node"):
                ended[event["node"]] = at
            elif event["event"] == "started" and event.get("attempt") == 2:
                found.append((at - ended[event["node"]] - BACKOFF) * 1000)
        if page["next"] is None:
            return found
        cursor = page["next"]


def spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.1f} ms, p99 {percentile(values, 99):.1f} ms, of {len(values)}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    settings = {"WORKERS": "2", "ALLOW_PRIVATE_ADDRESSES": "true", "LOG_LEVEL": "ERROR"}
    with (
        tempfile.TemporaryDirectory() as folder,
        service.running() as url,
        running_stack(Path(folder), settings) as stack,
    ):
        client = Client(stack.url)
        small = submit(client, SMALL)
        wide = submit(client, fan(f"{url}/{given.seconds}/x", given.calls))
        for _ in range(given.rounds):
            _, seconds = run(client, wide)
            print(f"1 -> {given.calls} -> 1, calls of {given.seconds} s: {seconds:.2f} s", flush=True)
        for title, one in (("two no-ops", small), ("1 → 8 → 1", submit(client, fan_out(8)))):
            alone = [run(client, one)[1] * 1000 for _ in range(300)]
            print(f"an instance of {title} alone: {spread(alone)}", flush=True)
        beside: list[float] = []
        stop = threading.Event()
        thread = threading.Thread(target=quick_ones, args=(stack.url, small, stop, beside))
        thread.start()
        for _ in range(given.rounds):
            run(client, wide)
        stop.set()
        thread.join()
        print(f"an instance of two no-ops beside it: {spread([1000 * seconds for seconds in beside])}", flush=True)
        policy = {"max_attempts": 3, "initial_backoff_seconds": BACKOFF, "backoff_multiplier": 1}
        failing = submit(client, fan(f"{url}/once-0/{{n}}", 50, retry_policy=policy))
        print(f"a retry after at most {BACKOFF} s is late by at most: {spread(late(client, run(client, failing)[0]))}")
        client.close()


if __name__ == "__main__":
    main()
