"""Decides which nodes of a terminal instance a rerun runs again, and what they wait for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from chalicelib.core import graph
from chalicelib.core.calls import RerunNodes
from chalicelib.core.plan import Plan
from chalicelib.core.records import Archived, Record


def plan_rerun(plan: Plan, records: Mapping[int, Record], chosen: Collection[int]) -> RerunNodes:
    """The chosen nodes, those that did not end well, and all that depend on any of these run again; the others stay.

    If none is chosen, this is a retry of what failed. If there is nothing to do, no node is `ready` and none waits.
    """
    begin = set(chosen) | {
        number for number in range(len(plan.nodes)) if number not in records or not records[number].state.satisfies
    }
    rerun_nodes = graph.reachable(plan.children, begin)
    ready, waiting = [], {}
    for number in sorted(rerun_nodes):
        parents = plan.nodes[number].dependencies
        staying = sum(parent not in rerun_nodes for parent in parents)
        if staying == len(parents):
            ready.append(number)
        else:
            waiting[number] = staying
    owing = [number for number, record in records.items() if record.cursor >= 0 and number not in rerun_nodes]
    return RerunNodes(ready, waiting, 1 + max((record.attempt for record in records.values()), default=0), owing)


def as_of(values: Mapping[int, bytes], archive: Sequence[Archived], epoch: int) -> dict[int, bytes]:
    """The results as they were in an earlier epoch: the archive has each replaced one under its last epoch."""
    found = dict(values)
    first: dict[int, Archived] = {}
    for one in archive:
        if one.epoch >= epoch and (one.node not in first or one.epoch < first[one.node].epoch):
            first[one.node] = one
    for node, one in first.items():
        found.pop(node, None)
        if one.result is not None:
            found[node] = one.result
    return found
