"""Prefect: its server on SQLite, and flows in this process; a node is a task that waits for its parents' futures."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.engines.protocol import directory, new_id, serve

os.environ |= {
    "PREFECT_HOME": str(directory()),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}

from prefect import flow, task

from benchmarks import nodes
from benchmarks.dag import Dag

FLOWS_AT_ONCE = 16
dags: dict[str, Dag] = {}  # by instance, since the parameters of a flow may have at most 512 KB


@task
def node(instance: str, id: str, n: int | None) -> None:
    nodes.run(instance, id, n)


@flow
def flow_of(instance: str) -> None:
    futures: dict[str, Any] = {}
    for each in dags[instance].nodes:
        parents = [futures[parent] for parent in each.parents]
        futures[each.id] = node.submit(instance, each.id, each.n, wait_for=parents)
    for future in futures.values():
        future.result()


def one(dag: Dag, begun: float) -> tuple[str, float]:
    """The instance and its seconds."""
    instance = new_id()
    dags[instance] = dag
    flow_of(instance)
    return instance, time.perf_counter() - begun


def run(workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
    started = time.perf_counter()
    dag = Dag.of(workflow)
    if instances == 1:
        return dict([one(dag, started)])
    with ThreadPoolExecutor(FLOWS_AT_ONCE) as pool:
        return dict(pool.map(lambda _: one(dag, started), range(instances)))


if __name__ == "__main__":
    serve(run, "prefect", "fastapi")
