"""`python -m benchmarks.where`: where the time of a node goes, with one worker, a queue in memory and a real Valkey.

It prints the shares of the worker's time by room of the code, from cProfile, which slows down Python but not waiting:
the real share of waiting for Redis is a little larger.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.bill import WORKLOADS
from benchmarks.turn import running_valkey
from chalicelib.queues.memory import MemoryQueue
from tests.support.harness import application, drain

# A function belongs to the room of the first of these that is in its file or name.
ROOMS = (
    ("recv", "waiting for Redis"),
    ("sendall", "waiting for Redis"),
    ("pack_command", "redis-py: encode and decode"),
    ("/redis/", "redis-py: encode and decode"),
    ("hiredis", "redis-py: encode and decode"),
    ("/json/", "JSON"),
    ("chalicelib/store", "store"),
    ("chalicelib/worker", "worker"),
    ("chalicelib/core", "templates, plans"),
    ("chalicelib/handlers", "handlers"),
    ("pydantic", "pydantic"),
    ("scheduler/", "scheduler"),
    ("chalicelib/queues", "queue"),
)


def main() -> None:
    columns: dict[str, Counter[str]] = {}
    totals: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as url:
        queue = MemoryQueue()
        app = application(url, queue)
        for title, (workflow, instances) in WORKLOADS.items():
            execution_id = app.submission.submit(json.dumps(workflow).encode(), None).execution_id

            def run(id: str = execution_id, count: int = instances) -> None:
                for _ in range(count):
                    app.triggering.trigger(id, b"", None)
                drain(app, queue)

            run()
            started = time.perf_counter()
            run()
            nodes = len(workflow["dag"]["nodes"]) * instances
            totals[title] = f"{(time.perf_counter() - started) / nodes * 1e6:.0f} us"
            columns[title] = shares(run)
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    print("| a node, all in all | " + " | ".join(totals.values()) + " |")
    for room in dict.fromkeys([*(room for _, room in ROOMS), "the rest of Python"]):
        print(f"| {room} | " + " | ".join(f"{column[room]:.0%}" for column in columns.values()) + " |")


def shares(call: object) -> Counter[str]:
    profile = cProfile.Profile()
    profile.runcall(call)  # type: ignore[arg-type]
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[next((room for part, room in ROOMS if part in file or part in name), "the rest of Python")] += own
    whole = sum(spent.values())
    return Counter({room: seconds / whole for room, seconds in spent.items()})


if __name__ == "__main__":
    main()
