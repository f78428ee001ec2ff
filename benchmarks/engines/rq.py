"""RQ: two `SimpleWorker`s (no fork per job) on Valkey; a job depends on its parents' jobs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import redis
from rq import Queue, Worker
from rq.job import Dependency
from rq.results import Result

from benchmarks import nodes
from benchmarks.dag import Dag
from benchmarks.engines.protocol import new_id, redis_url, serve
from local.processes import spawn, stop

WORKERS = 2
client = redis.Redis.from_url(redis_url(), socket_timeout=None)
queue = Queue("bench", connection=client)


def run(workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
    """Submit all; then read the result streams of the last nodes."""
    latencies: dict[str, float] = {}
    waited: dict[str, set[str]] = {}  # by instance, the results that are still to come
    begun: dict[str, float] = {}
    started = time.perf_counter()
    dag = Dag.of(workflow)
    ends = dag.ends()
    for _ in range(instances):
        instance = new_id()
        begun[instance] = time.perf_counter() if instances > 1 else started
        submit(dag, instance)
        waited[instance] = {Result.get_key(f"{instance}-{node.id}") for node in ends}
    owner = {key: instance for instance, keys in waited.items() for key in keys}
    while owner:
        news: Any = client.xread(dict.fromkeys(owner, "0"), block=15_000)
        if not news and not queue.count and not queue.started_job_registry.count:
            raise RuntimeError(f"RQ lost jobs: {len(owner)} last ones are still deferred, and nothing runs")
        for key, entries in news:
            if entries[-1][1][b"type"] != b"1":
                raise RuntimeError("a job failed")
            instance = owner.pop(key.decode())
            waited[instance].discard(key.decode())
            if not waited[instance]:
                latencies[instance] = time.perf_counter() - begun[instance]
    return latencies


def submit(dag: Dag, instance: str) -> None:
    """Submit an instance. The roots are stored first and enqueued last.

    A job whose parents end while it is being submitted may be enqueued twice (by `enqueue_many`) or never (by
    `enqueue`).
    """
    roots = []
    for node in dag.nodes:
        id = f"{instance}-{node.id}"
        arguments = (instance, node.id, node.n)
        if node.parents:
            parents = Dependency(jobs=[f"{instance}-{parent}" for parent in node.parents])
            queue.enqueue(nodes.run, args=arguments, job_id=id, depends_on=parents, result_ttl=3600)
        else:
            roots.append(queue.create_job(nodes.run, args=arguments, job_id=id, result_ttl=3600))
            roots[-1].save()
    for root in roots:
        queue.enqueue_job(root)


@contextlib.contextmanager
def workers() -> Iterator[None]:
    """Start the workers, wait until both have registered, and end them afterwards."""
    # Without these options, a job that both workers unblock at once may wait for 10 minutes: RQ leaves it to
    # maintenance, which an idle worker runs only when its wait for a job is over (its TTL less 15 seconds).
    tuned = ["--maintenance-interval", "1", "--worker-ttl", "16"]
    command = [sys.executable, "-m", "rq.cli", "worker", "-w", "rq.SimpleWorker", "--url", redis_url(), *tuned, "bench"]
    processes = [spawn(command) for _ in range(WORKERS)]
    try:
        while Worker.count(connection=client) < WORKERS:
            if any(process.poll() is not None for process in processes):
                raise RuntimeError("a worker died")
            time.sleep(0.05)
        yield
    finally:
        for process in processes:
            stop(process)


if __name__ == "__main__":
    with workers():
        serve(run, "rq", "redis")
