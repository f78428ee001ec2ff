"""A claimed node, and what bounds the work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core.plan import Plan
from chalicelib.core.work import Ref
from chalicelib.metrics.protocol import NodeEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """Seconds and bytes that bound what a worker does."""

    default_timeout: float
    hop: float
    max_result_bytes: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """The message that brought a node: its id, what its sender put beside it, how long its nodes had been ready."""

    message_id: str
    carrier: Mapping[str, str]
    waited_ms: int | None


@dataclass(slots=True, kw_only=True)
class Job:
    """`results` holds the results that the node needs, as JSON, by node. Times are seconds of the worker's clock.

    `hop`: no message named it; it was claimed here as the child of what a message, its `delivery`, brought.
    """

    ref: Ref
    plan: Plan
    node: int
    attempt: int
    failures: int
    epoch: int
    owner: str
    params: bytes
    results: dict[int, bytes]
    deadline: float
    hop_until: float
    delivery: Delivery | None = None
    hop: bool = False


@dataclass(slots=True)
class Ended:
    """A job whose handler yielded a result, still to be committed; `seconds` is how long it took."""

    job: Job
    result: bytes
    seconds: float

    @property
    def node_end(self) -> NodeEnd:
        return NodeEnd(self.job.plan.nodes[self.job.node].handler, self.job.attempt, self.seconds)
