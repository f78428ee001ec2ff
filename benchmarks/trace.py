"""Whether a run did what it should: every node of every instance once, and none before its parents had ended.

The times are of the machine's one monotonic clock, so they compare across processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from benchmarks.dag import Dag


def fault(lines: Iterable[str], dag: Dag, instances: Collection[str]) -> str | None:
    """What is wrong with these instances, in a sentence; None when nothing is. Others are of a run that failed."""
    runs: dict[str, dict[str, tuple[int, int]]] = {instance: {} for instance in instances}
    for line in lines:
        instance, node, started, ended = line.split()
        if instance not in runs:
            continue
        if node in runs[instance]:
            return f"node {node} ran twice"
        runs[instance][node] = int(started), int(ended)
    for times in runs.values():
        if len(times) != len(dag.nodes):
            return f"{len(times)} of {len(dag.nodes)} nodes ran"
        for node in dag.nodes:
            for parent in node.parents:
                if times[node.id][0] < times[parent][1]:
                    return f"node {node.id} started before its parent {parent} had ended"
    return None
