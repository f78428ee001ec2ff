"""The check of a run by its trace: every node of every instance ran once, and none before its parents had ended.

The times are from the machine's monotonic clock, so they can be compared across processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from benchmarks.dag import Dag


def fault(lines: Iterable[str], dag: Dag, instances: Collection[str]) -> str | None:
    """The fault in the runs of these instances, or None. Lines of other instances are left from a run that failed."""
    runs: dict[str, dict[str, tuple[int, int]]] = {instance: {} for instance in instances}
    for line in lines:
        instance, id, started, ended = line.split()
        if instance not in runs:
            continue
        if id in runs[instance]:
            return f"node {id} ran twice"
        runs[instance][id] = int(started), int(ended)
    for times in runs.values():
        if len(times) != len(dag.nodes):
            return f"{len(times)} of {len(dag.nodes)} nodes ran"
        for node in dag.nodes:
            for parent in node.parents:
                if times[node.id][0] < times[parent][1]:
                    return f"node {node.id} started before its parent {parent} had ended"
    return None
