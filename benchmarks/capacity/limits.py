"""The limits: how many nodes a second each allows. Pure arithmetic, which docs/capacity.md explains.

Quotas of us-east-1 by AWS's documentation, November 2026, and the template's defaults (.chalice/resources.yaml).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.capacity.workloads import Workload

ACCOUNT_CONCURRENCY = 1_000
WORKERS, SCHEDULERS, OTHERS = 200, 50, 4  # reserved by the template; OTHERS: dead letters, sweep
API_REQUESTS = 10_000  # a second
REQUESTS_PER_INSTANCE = 2  # a trigger, and one status that waits
LONGEST_WAIT = 25.0
BATCH = 10
POLLERS, POLLERS_PER_SECOND = 5, 300 / 60
SLOTS, SLOT_UNITS = 64, 30_000
EMPTY_CACHE_UNITS, CACHE_UNITS = 30_000, 100_000
CACHE_BYTES, RETENTION_SECONDS = 20e9, 7 * 86_400

# The following are assumptions, not quotas. A Lambda of 512 MB has this share of a processor (AWS: 1,769 MB are one).
PROCESSOR = 512 / 1769
ROUND_TRIP = 0.001  # to Serverless, with TLS and its proxy
START = 0.016  # from a send to the invocation
ASYNC_START = 0.073  # from an asynchronous invoke to the scheduler
SCHEDULER_SECONDS = 0.03
SEND_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`room`: nodes a second. `ours`: a default of the template, not a quota. `each`: it limits a single instance."""

    title: str
    room: Callable[[Workload], float]
    ours: bool = False
    each: bool = False


def invocation_seconds(load: Workload, batch: int = BATCH) -> float:
    """An invocation in the longest stage: the work of its messages on a share of a processor, and their waiting."""
    stage = max(load.stages, key=lambda stage: stage.messages)
    work = batch * stage.nodes * load.use.worker_seconds / PROCESSOR
    return work + stage.seconds + 2 * ROUND_TRIP


def instance_seconds(load: Workload) -> float:
    """An instance that has the stack to itself: a send and a start for each stage, and one batch of work."""
    hops = len(load.stages) * (START + SEND_SECONDS) + (len(load.stages) - 1) * (ASYNC_START + SCHEDULER_SECONDS)
    waits = sum(stage.seconds for stage in load.stages) - max(stage.seconds for stage in load.stages)
    return hops + waits + invocation_seconds(load, 1)


def workers(load: Workload, concurrency: int = WORKERS) -> float:
    stage = max(load.stages, key=lambda stage: stage.messages)
    return concurrency * BATCH * stage.nodes / invocation_seconds(load)


def waiting_clients(load: Workload) -> float:
    free = ACCOUNT_CONCURRENCY - WORKERS - SCHEDULERS - OTHERS
    return free / min(LONGEST_WAIT, instance_seconds(load)) * load.nodes


LIMITS = (
    Limit(
        title="Redis memory: 20 GB, kept for 7 days",
        room=lambda load: CACHE_BYTES / (load.node_bytes * RETENTION_SECONDS),
        ours=True,
    ),
    Limit(title="Redis: 100,000 units/s", room=lambda load: CACHE_UNITS / load.use.units, ours=True),
    Limit(title="workers: 200 at once", room=workers, ours=True),
    Limit(
        title="schedulers: 50 at once",
        room=lambda load: SCHEDULERS / (load.use.schedulers * SCHEDULER_SECONDS),
        ours=True,
    ),
    Limit(title="Redis: an empty cache, 30,000 units/s", room=lambda load: EMPTY_CACHE_UNITS / load.use.units),
    Limit(
        title="Redis: one instance, one slot, 30,000 units/s", room=lambda load: SLOT_UNITS / load.use.units, each=True
    ),
    Limit(title="Redis: 64 slots, 30,000 units/s each", room=lambda load: SLOTS * SLOT_UNITS / load.use.units),
    Limit(title="clients that wait: what 1,000 functions leave", room=waiting_clients),
    Limit(title="API Gateway: 10,000 requests/s", room=lambda load: API_REQUESTS / REQUESTS_PER_INSTANCE * load.nodes),
    Limit(
        title="mapping: 1,000 invocations at once",
        room=lambda load: workers(load, 1_000),
    ),
)


def ramp_seconds(load: Workload, nodes_per_second: float) -> float:
    """How long an idle mapping takes to reach the concurrency that this needs: 5 at once, and 5 more each second."""
    wanted = nodes_per_second / workers(load, 1)
    return max(0.0, (wanted - POLLERS) / POLLERS_PER_SECOND)


def bites(load: Workload, nodes_per_second: float) -> list[Limit]:
    """The limits that this load exceeds, the tightest first."""
    found = [limit for limit in LIMITS if not limit.each and limit.room(load) < nodes_per_second]
    return sorted(found, key=lambda limit: limit.room(load))
