"""A claimed node, and the limits of the work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.core.plan import Plan
from chalicelib.core.work import Ready, Ref
from chalicelib.metrics.protocol import NodeEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """The limits of a worker, in seconds and bytes. `short_wait`: the longest backoff that it waits out itself."""

    default_timeout: float
    hop: float
    max_result_bytes: int
    short_wait: float = 2.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The message that brought a node: its id, the attributes from its sender, how long its nodes had been ready."""

    message_id: str
    carrier: Mapping[str, str]
    waited_ms: int | None


@dataclass(slots=True)
class InPlace:
    """What runs in the process of a trigger: `nodes` more at most, and none whose result may have `large` bytes.

    `left` is ready, and is sent when it has ended.
    """

    nodes: int
    large: int
    left: list[Ready] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Job:
    """A claimed attempt of a node. `results` has the results that the node needs, as JSON, by node number.

    Times are seconds of the worker's clock. `hop`: no message named it, since it runs on here after a parent, a failed
    attempt or the trigger; its `delivery` is then the message that the first of these came with, if there was one.
    `in_place`: the process of a trigger runs it, and runs on with nothing but instant nodes that need no secret.
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
    delivery: Delivery | None
    hop: bool
    in_place: InPlace | None


@dataclass(slots=True)
class Ended:
    """A job whose handler returned a result that is not committed yet. The attempt took `seconds`."""

    job: Job
    result: bytes
    seconds: float

    @property
    def node_end(self) -> NodeEnd:
        return NodeEnd(self.job.plan.nodes[self.job.node].handler, self.job.attempt, self.seconds)


@dataclass(frozen=True, slots=True)
class Retry:
    """A job whose handler failed, and whose next attempt this worker makes in `seconds`."""

    seconds: float
