"""How long the nodes of a workflow take, in seconds: as given, as recorded in an instance, or as assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.records import Record
from chalicelib.states import NodeState

# Assumed for an instant node, with the engine's own work for it, and for any other node.
INSTANT, OTHER = 0.0001, 1.0
# An average stands for values that differ: if it were taken as it is, all nodes that wait would end in the same moment,
# and be committed together. So a node of which only an average is known takes up to this much longer; the golden ratio
# keeps neighbours far apart.
SPREAD, GOLDEN = 0.02, 0.618034


class Duration(NamedTuple):
    """`average`: the seconds are those of the node's handler, or are assumed; they are not the node's own."""

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
    """How long the completed nodes of an instance took."""
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
    """The duration of each node: the one given for it or else for its handler, its own record, the average of its
    handler's records. Records of instant nodes are not used: they include the time that these waited for each other."""
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
