"""The tasks that Celery's workers load, and how a DAG becomes canvases.

Celery has no DAGs, only chains and chords. So a DAG runs level by level: a chord for each wide level, chains between
them, and, if wide levels follow each other, a task `proceed` that starts the next chord. `proceed` reads the DAG from
Redis: canvases that contain everything still to come would grow with the square of the levels.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import redis
from celery import Celery, Signature, chain, chord

from benchmarks import nodes
from benchmarks.dag import Dag, Node
from benchmarks.engines.protocol import redis_url

app = Celery("bench", broker=redis_url(), backend=redis_url())
app.conf.update(
    task_acks_late=True, task_reject_on_worker_lost=True, broker_connection_retry_on_startup=True, result_expires=3600
)


@app.task(name="bench.node", autoretry_for=(nodes.CallFailed,), max_retries=4, default_retry_delay=0.2)
def node(instance: str, id: str, n: int | None, call: str | None) -> None:
    nodes.run(instance, id, n, call)


@app.task(name="bench.proceed")
def proceed(instance: str, workflow: str, level: int) -> None:
    """Start the next level: the one before is over."""
    levels = dag(workflow).levels()
    if level < len(levels):
        canvas(levels, level, instance, workflow).apply_async()


def canvas(levels: list[list[Node]], start: int, instance: str, workflow: str) -> Signature:
    """The canvas from level `start` to behind the next wide level. The DAG's last task has the instance's id."""
    before = _singles(levels, start)
    wide = start + len(before)
    parts = [_signature(instance, node) for node in before]
    if wide < len(levels):
        after = _singles(levels, wide + 1)
        following = wide + 1 + len(after)
        body = [_signature(instance, node) for node in after]
        if following < len(levels) or not body:
            body.append(proceed.si(instance, workflow, following))
        header = [_signature(instance, node) for node in levels[wide]]
        if following >= len(levels):
            body[-1].set(task_id=instance)
        parts.append(chord(header, chain(*body) if len(body) > 1 else body[0]))
    else:
        parts[-1].set(task_id=instance)
    return chain(*parts) if len(parts) > 1 else parts[0]


def _singles(levels: list[list[Node]], start: int) -> list[Node]:
    """The nodes that are alone on their level, from `start` on."""
    found = []
    for level in levels[start:]:
        if len(level) > 1:
            break
        found.append(level[0])
    return found


def _signature(instance: str, of: Node) -> Signature:
    return node.si(instance, of.id, of.n, of.call)


@functools.lru_cache(maxsize=8)
def dag(workflow: str) -> Dag:
    with redis.Redis.from_url(redis_url()) as client:
        found: Any = client.get(f"bench:{workflow}")
    return Dag.of(json.loads(found))
