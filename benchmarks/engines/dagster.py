"""Dagster on SQLite: a graph of one op per node, executed in this process.

Instances run one after the other: in two threads, a run occasionally does not return after its last node.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.engines.protocol import directory, new_id, serve

os.environ |= {"DAGSTER_HOME": str(directory()), "DAGSTER_DISABLE_TELEMETRY": "yes"}

from dagster import (
    DagsterInstance,
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    MultiDependencyDefinition,
    NodeInvocation,
    Nothing,
    OpDefinition,
    Out,
)

from benchmarks import nodes
from benchmarks.dag import Dag, Node

instance = DagsterInstance.get()


def compute(context, inputs):  # type: ignore[no-untyped-def]  # Dagster reads the annotation, and takes no string for one
    """Run a node. The instance is in the run's tag; the node's id and number are in the op's tags."""
    tags = context.op.tags
    n = tags.get("bench/n")
    nodes.run(context.run.tags["bench/instance"], tags["bench/id"], None if n is None else int(n))
    yield from ()


def _op(node: Node) -> OpDefinition:
    tags = {"bench/id": node.id} | ({} if node.n is None else {"bench/n": str(node.n)})
    ins = {"after": In(Nothing)} if node.parents else {}
    return OpDefinition(compute, name=f"op_{node.id}", ins=ins, outs={"result": Out(Nothing)}, tags=tags)


def job_of(dag: Dag) -> JobDefinition:
    wanted = {
        NodeInvocation(f"op_{node.id}"): (
            {"after": MultiDependencyDefinition([DependencyDefinition(f"op_{parent}") for parent in node.parents])}
            if node.parents
            else {}
        )
        for node in dag.nodes
    }
    return GraphDefinition("bench", node_defs=[_op(node) for node in dag.nodes], dependencies=wanted).to_job()


def one(job: JobDefinition, begun: float) -> tuple[str, float]:
    """The instance and its seconds."""
    id = new_id()
    result = job.execute_in_process(instance=instance, tags={"bench/instance": id})
    if not result.success:
        raise RuntimeError("the run failed")
    return id, time.perf_counter() - begun


def run(workflow: Mapping[str, Any], instances: int) -> dict[str, float]:
    started = time.perf_counter()
    job = job_of(Dag.of(workflow))
    return dict(one(job, started) for _ in range(instances))


if __name__ == "__main__":
    serve(run, "dagster")
