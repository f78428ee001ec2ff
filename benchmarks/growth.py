"""`python -m benchmarks.growth`: how costs grow. Time by size and by live instances, Lua calls, memory, status.

It measures the engine alone, in one process on a real Valkey with a queue in memory, so growth is the engine's own.
Each figure is the best of three; a column should be flat.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from benchmarks.turn import running_valkey
from chalicelib.composition import Application
from chalicelib.queues.memory import MemoryQueue
from examples.run import fan_out, layered
from tests.support.harness import application, drain

REPEATS = 3
SIZES = (100, 1_000, 10_000)
LIVE = (1, 1_000, 5_000)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as url:
        client = redis.Redis.from_url(url)
        client.config_set("slowlog-log-slower-than", 500)
        client.config_set("slowlog-max-len", 100_000)
        queue = MemoryQueue()
        app = application(url, queue)
        nodes(app, queue, client)
        live(app, queue, client)
        memory(app, queue, client)
        status(app, queue)


def nodes(app: Application, queue: MemoryQueue, client: Any) -> None:
    print("| nodes in one instance | 1 → n → 1, us a node | n/50 layers of 50, us a node | longest Lua call, ms |")
    print("|---|---|---|---|")
    for size in SIZES:
        client.slowlog_reset()
        fan = best(functools.partial(run, app, queue, fan_out(size - 2))) / size
        deep = best(functools.partial(run, app, queue, layered(size // 50, 50))) / size
        slowest = max((entry["duration"] for entry in client.slowlog_get(100_000)), default=500)
        print(f"| {size:,} | {fan * 1e6:.0f} | {deep * 1e6:.0f} | {slowest / 1000:.1f} |", flush=True)


def live(app: Application, queue: MemoryQueue, client: Any) -> None:
    print("\n| live instances beside it | 1 → 100 → 1, us a node | sweep with nothing due, ms |\n|---|---|---|")
    waiting = submit(app, fan_out(8))
    started = 0
    for count in LIVE:
        while started < count:
            app.triggering.trigger(waiting, b"", None)
            started += 1
        queue.bodies.clear()
        seconds = best(lambda: run(app, queue, fan_out(100))) / 102
        sweep = best(app.sweep.run)
        print(f"| {count:,} | {seconds * 1e6:.0f} | {sweep * 1e3:.1f} |", flush=True)
    client.flushall()


def memory(app: Application, queue: MemoryQueue, client: Any) -> None:
    """The memory of the whole server, before and after."""
    size = 10_000
    execution_id = submit(app, {"name": "wide", "dag": {"nodes": [noop(f"n{n}") for n in range(size)]}})
    before = client.info("memory")["used_memory"]
    app.triggering.trigger(execution_id, b"", None)
    ready = client.info("memory")["used_memory"]
    drain(app, queue)
    ended = client.info("memory")["used_memory"]
    print("\n| memory in Redis | bytes a node |\n|---|---|")
    print(f"| live (ready) | {(ready - before) / size:.0f} |")
    print(f"| finished, result null | {(ended - before) / size:.0f} |")


def status(app: Application, queue: MemoryQueue) -> None:
    print("\n| status of | whole, ms | bytes | without nodes, ms |\n|---|---|---|---|")
    for size in SIZES:
        execution_id = submit(app, {"name": "wide", "dag": {"nodes": [noop(f"n{n}") for n in range(size)]}})
        instance_id = app.triggering.trigger(execution_id, b"", None).instance_id
        drain(app, queue)

        def answer(id: str = instance_id, nodes: bool = True) -> str:
            return app.status.of(id, nodes=nodes).model_dump_json()

        whole, summary = best(answer), best(functools.partial(answer, nodes=False))
        print(f"| {size:,} | {whole * 1e3:.1f} | {len(answer()):,} | {summary * 1e3:.2f} |", flush=True)


def noop(id: str) -> dict[str, Any]:
    return {"id": id, "handler": "noop", "dependencies": []}


def submit(app: Application, workflow: dict[str, Any]) -> str:
    return app.submission.submit(json.dumps(workflow).encode(), None).execution_id


def run(app: Application, queue: MemoryQueue, workflow: dict[str, Any]) -> float:
    """The seconds from the trigger to the end."""
    execution_id = submit(app, workflow)
    app.status.of(execution_id)  # the plan is in memory, as in a warm worker
    started = time.perf_counter()
    instance_id = app.triggering.trigger(execution_id, b"", None).instance_id
    drain(app, queue)
    seconds = time.perf_counter() - started
    assert app.store.status(instance_id) == "COMPLETED"
    return seconds


def best(call: Callable[[], Any]) -> float:
    """The seconds that `call` returns; if it returns anything else, those that it took."""
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        answer = call()
        took = time.perf_counter() - started
        found.append(answer if isinstance(answer, float) else took)
    return min(found)


if __name__ == "__main__":
    main()
