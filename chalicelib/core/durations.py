"""How long the nodes of a workflow take: given, recorded in an instance, or assumed. In seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.records import Record
from chalicelib.states import NodeState

# Assumed: a node that is over at once with the engine's own work for it, and any other one.
INSTANT, OTHER = 0.0001, 1.0
# An average stands for values that differ: else all that wait would end in the same moment, and be committed together.
# So one of which only an average is known takes up to this much longer, by the golden ratio: neighbours are far apart.
SPREAD, GOLDEN = 0.02, 0.618034


class Duration(NamedTuple):
    """`average`: of the node's handler, or what is assumed of it; not its own."""

    seconds: float
    source: Literal["given", "recorded", "assumed"]
    average: bool

    def spread(self, number: int) -> float:
        return self.seconds * (1 + SPREAD * (number * GOLDEN % 1)) if self.average else self.seconds


@dataclass(frozen=True, slots=True)
class Known:
    """Seconds by (node id, handler), and the averages by handler."""

    nodes: Mapping[tuple[str, str], float]
    handlers: Mapping[str, float]


NOTHING = Known({}, {})


def recorded(plan: Plan, records: Mapping[int, Record]) -> Known:
    """How long the nodes of an instance took that completed."""
    nodes: dict[tuple[str, str], float] = {}
    handlers: dict[str, list[float]] = {}
    for number, record in records.items():
        if record.state is NodeState.COMPLETED and record.started_at is not None and record.finished_at is not None:
            node, seconds = plan.nodes[number], max(0, record.finished_at - record.started_at) / 1000
            nodes[node.id, node.handler] = seconds
            handlers.setdefault(node.handler, []).append(seconds)
    return Known(nodes, {handler: sum(several) / len(several) for handler, several in handlers.items()})


def durations(
    plan: Plan, instant: Callable[[Plan, int], bool], given: Mapping[str, float], known: Known = NOTHING
) -> list[Duration]:
    """Of each node. What is given for it comes before what is given for its handler, then its own record, then the
    average of its handler's. Instant nodes have no record of their own: it holds what they waited for each other."""
    return [_duration(node, instant(plan, number), given, known) for number, node in enumerate(plan.nodes)]


def _duration(node: PlanNode, instant: bool, given: Mapping[str, float], known: Known) -> Duration:
    if node.id in given:
        return Duration(given[node.id], "given", False)
    if node.handler in given:
        return Duration(given[node.handler], "given", True)
    if instant:
        return Duration(INSTANT, "assumed", True)
    if (node.id, node.handler) in known.nodes:
        return Duration(known.nodes[node.id, node.handler], "recorded", False)
    if node.handler in known.handlers:
        return Duration(known.handlers[node.handler], "recorded", True)
    return Duration(OTHER, "assumed", True)
