"""Celery: two workers (`--pool=solo`, `acks_late`), broker and results on Valkey. celery_tasks.py has the DAGs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import redis

from benchmarks.dag import Dag
from benchmarks.engines import celery_tasks
from benchmarks.engines.protocol import new_id, redis_url, serve
from local.processes import spawn, stop

WORKERS = 2


def run(workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
    """Send all. While this waits for one result, Celery calls the callbacks of all as results arrive."""
    latencies: dict[str, float] = {}
    results = []
    begun = {}
    started = time.perf_counter()
    name = new_id()
    levels = Dag.of(workflow).levels()
    with redis.Redis.from_url(redis_url()) as client:
        client.set(f"bench:{name}", json.dumps(workflow))
    for _ in range(instances):
        instance = new_id()
        begun[instance] = time.perf_counter() if instances > 1 else started
        result = celery_tasks.app.AsyncResult(instance)
        results.append(result)
        result.then(lambda done: latencies.update({done.id: time.perf_counter() - begun[done.id]}))
        celery_tasks.canvas(levels, 0, instance, name).apply_async()
    for result in results:
        result.get()
    return latencies


@contextlib.contextmanager
def workers() -> Iterator[None]:
    """Start the workers, wait until both answer, and end them afterwards."""
    threads = os.environ.get("BENCH_THREADS")
    pool = ["--pool=threads", f"--concurrency={threads}"] if threads else ["--pool=solo"]
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.engines.celery_tasks", "worker", *pool]
    processes = [spawn([*command, "-n", f"worker-{number}@bench"]) for number in range(WORKERS)]
    try:
        while len(celery_tasks.app.control.ping(timeout=1) or []) < WORKERS:
            if any(process.poll() is not None for process in processes):
                raise RuntimeError("a worker died")
        yield
    finally:
        for process in processes:
            stop(process)


if __name__ == "__main__":
    with workers():
        serve(run, "celery", "redis")
