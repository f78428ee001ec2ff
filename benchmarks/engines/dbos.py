"""DBOS on SQLite: one process, as DBOS demands with SQLite; a workflow's nodes are steps, gathered level by level."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from dbos import DBOS

from benchmarks import nodes, postgres
from benchmarks.dag import Dag
from benchmarks.engines.protocol import directory, new_id, serve


@DBOS.step(retries_allowed=True, interval_seconds=0.2, max_attempts=5, backoff_rate=1)
async def step(instance: str, node: str, n: int | None, call: str | None) -> None:
    await nodes.run_async(instance, node, n, call)


@DBOS.workflow()
async def workflow_of(instance: str, document: dict[str, Any]) -> None:
    for level in Dag.of(document).levels():
        await asyncio.gather(*(step(instance, node.id, node.n, node.call) for node in level))


async def one(workflow: dict[str, Any], started: float | None) -> tuple[str, float]:
    """The instance and its seconds. The handle of a workflow in this process learns of the end at once."""
    begun, instance = started or time.perf_counter(), new_id()
    handle = await DBOS.start_workflow_async(workflow_of, instance, workflow)
    await handle.get_result()
    return instance, time.perf_counter() - begun


async def all_of(workflow: dict[str, Any], instances: int, started: float | None) -> dict[str, float]:
    return dict(await asyncio.gather(*(one(workflow, started) for _ in range(instances))))


def run(workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
    started = time.perf_counter() if instances == 1 else None
    return asyncio.run(all_of(dict(workflow), instances, started))


def main() -> None:
    with ExitStack() as stack:
        if os.environ.get("BENCH_DATABASE") == "postgres":
            url, more = stack.enter_context(postgres.running(directory())), {"PostgreSQL": postgres.version()}
        else:
            url, more = f"sqlite:///{directory()}/dbos.sqlite", {}
        DBOS(config={"name": "bench", "system_database_url": url})
        DBOS.launch()
        stack.callback(DBOS.destroy)
        serve(run, "dbos", more=more)


if __name__ == "__main__":
    main()
