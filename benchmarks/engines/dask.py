"""Dask distributed: a scheduler and two worker processes of one thread each, which receive the whole DAG at once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from dask.delayed import delayed
from distributed import Client, LocalCluster, as_completed

from benchmarks import nodes
from benchmarks.dag import Dag
from benchmarks.engines.protocol import directory, new_id, serve


def after(instance: str, node: str, n: int | None, call: str | None, parents: list[None]) -> None:
    """Run a node, once its parents' results are there."""
    nodes.run(instance, node, n, call)


class Engine:
    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
        """Run one graph per instance, which is over when the futures of its last nodes are."""
        latencies = {}
        waited: dict[str, int] = {}
        begun: dict[str, float] = {}
        owner: dict[Any, str] = {}
        started = time.perf_counter()
        dag = Dag.of(workflow)
        for _ in range(instances):
            instance = new_id()
            begun[instance] = time.perf_counter() if instances > 1 else started
            futures = self._client.compute(_graph(dag, instance), optimize_graph=False, retries=4)
            waited[instance] = len(futures)
            owner |= dict.fromkeys(futures, instance)
        for future in as_completed(owner):
            future.result()
            instance = owner[future]
            waited[instance] -= 1
            if not waited[instance]:
                latencies[instance] = time.perf_counter() - begun[instance]
        return latencies


def _graph(dag: Dag, instance: str) -> list[Any]:
    made: dict[str, Any] = {}
    task = delayed(after, pure=False)
    for node in dag.nodes:
        parents = [made[parent] for parent in node.parents]
        made[node.id] = task(instance, node.id, node.n, node.call, parents, dask_key_name=f"{instance}-{node.id}")
    return [made[node.id] for node in dag.ends()]


if __name__ == "__main__":
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=int(os.environ.get("BENCH_THREADS", "1")),
            dashboard_address=None,
            local_directory=str(directory()),
        ) as cluster,
        Client(cluster) as client,
    ):
        serve(Engine(client).run, "distributed")
