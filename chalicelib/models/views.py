"""The answers of the HTTP interface. Times are RFC 3339 UTC with milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from chalicelib.states import InstanceStatus, NodeStatus


class ErrorView(BaseModel):
    """Why a node or an instance failed."""

    type: str
    message: str
    node: Annotated[str | None, Field(description="set on an instance's error: the node that failed")] = None
    traceback: str | None = None


class Submitted(BaseModel):
    """Answer to a submission."""

    execution_id: str
    status: InstanceStatus = InstanceStatus.PENDING
    name: str
    nodes: int
    created_at: str


class Triggered(BaseModel):
    """Answer to a trigger."""

    instance_id: str
    execution_id: str
    status: InstanceStatus = InstanceStatus.PENDING
    created_at: str


class Restarted(BaseModel):
    """Answer to a rerun."""

    instance_id: str
    execution_id: str
    status: InstanceStatus = InstanceStatus.PENDING
    epoch: int = Field(description="counts the runs of this instance, from 1")
    nodes: int = Field(description="how many run again; 0 if the same request was answered before")


class Progress(BaseModel):
    """How many nodes are in each state; `total` is the sum of the others."""

    total: int
    pending: int
    running: int
    completed: int
    failed: int
    skipped: int
    cancelled: int


@dataclass(slots=True)  # not a model: a status may have 10,000 of these, and their values have the right types
class NodeView:
    """One node of an instance."""

    status: NodeStatus
    attempt: Annotated[int, Field(description="0 until the node is ready for its first try")]
    queued_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: Annotated[ErrorView | None, Field(description="of the newest failed attempt")] = None


class Planned(BaseModel):
    """What one run should use if nothing fails, with assumed durations: see POST /api/workflow/plan."""

    messages: int
    transitions: int
    gb_seconds: float = Field(description="of memory for all invocations, for which Lambda charges")
    gb_seconds_per_node_second: float | None = Field(
        description="what a second of a node takes, however long the nodes take: 0.5 if each had an invocation of its "
        "own, less the more of them wait in one; null if all nodes are instant"
    )


class Usage(BaseModel):
    """What the instance has used so far, counted by the store."""

    messages: int = Field(description="taken from the queue by a worker")
    transitions: int = Field(description="calls to Redis that changed the instance")
    planned: Planned | None = Field(default=None, description="null if the workflow is gone")


class DeliveryStatus(StrEnum):
    """The status of a webhook's call."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class WebhookView(BaseModel):
    """The call that reports the end of the instance."""

    status: DeliveryStatus = Field(description="PENDING until the instance has ended, and between attempts")
    attempts: int = 0
    last_error: Annotated[ErrorView | None, Field(description="of the last attempt, while none has succeeded")] = None
    delivered_at: str | None = None


class StatusView(BaseModel):
    """Status of an instance; `instance_id` is null for a workflow that was never triggered."""

    instance_id: str | None
    execution_id: str
    name: str
    status: InstanceStatus
    paused: bool = False
    epoch: int = Field(1, description="counts the runs of this instance, from 1: see rerun")
    tags: dict[str, str] = Field(default_factory=dict)
    progress: Progress
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    error: ErrorView | None = None
    usage: Usage = Field(default_factory=lambda: Usage(messages=0, transitions=0))
    webhook: Annotated[WebhookView | None, Field(description="null if the workflow has none")] = None
    nodes: dict[str, NodeView] = Field(description="by id; empty with `?nodes=false`")


class InstanceSummary(BaseModel):
    """An instance in a list."""

    instance_id: str
    execution_id: str
    name: str
    status: InstanceStatus
    paused: bool
    epoch: int
    tags: dict[str, str]
    progress: Progress
    created_at: str
    started_at: str | None
    finished_at: str | None


class InstanceList(BaseModel):
    """A page of instances, the newest first."""

    instances: list[InstanceSummary] = Field(description="may be fewer than `limit`, or none, though there is a `next`")
    next: str | None = Field(description="the `cursor` of the next page; null on the last one")
    counts: dict[InstanceStatus, int] = Field(description="of all stored instances, by status")


class WorkflowSummary(BaseModel):
    """A workflow in a list."""

    execution_id: str
    name: str
    nodes: int
    tags: dict[str, str]
    created_at: str
    latest: str | None = Field(description="its newest instance")


class WorkflowList(BaseModel):
    """A page of workflows, the newest first."""

    workflows: list[WorkflowSummary]
    next: str | None = Field(description="the `cursor` of the next page; null on the last one")


class WorkflowView(BaseModel):
    """A stored workflow."""

    execution_id: str
    name: str
    created_at: str
    latest: str | None = Field(description="its newest instance")
    definition: dict[str, Any] = Field(description="as it was submitted, without what was left at its default")


class EventView(BaseModel):
    """Something that happened to an instance or to one of its nodes."""

    at: str
    event: str = Field(
        description="created, ready, started, completed, failed, lost, sent again, skipped, paused, resumed, "
        "cancelled, cut off, rerun, finished"
    )
    node: str | None = None
    attempt: int | None = None
    epoch: int = 1
    worker: str | None = Field(None, description="the claim under which a worker ran it; `owner` in that worker's log")
    reason: str | None = None


class HistoryView(BaseModel):
    """A page of what happened, the oldest first."""

    instance_id: str
    events: list[EventView]
    next: str | None = Field(description="the `cursor` of the next page; null on the last one")
    forgotten: int = Field(description="how many events were dropped to make room for newer ones")
    why: dict[str, str] = Field(description="with `?node=`: why the node is in its state")


class LargeResult(BaseModel):
    """A result that is too large for the answer."""

    bytes: int = Field(description="its length as JSON in UTF-8")
    sha256: str = Field(description="of these bytes")
    href: str = Field(description="where it is: the answer is the result alone, or redirects to it (303)")


class ResultsView(BaseModel):
    """Results of a terminal instance."""

    instance_id: str
    execution_id: str
    status: InstanceStatus = Field(description="of the instance now")
    epoch: int = Field(1, description="the one that the results are from")
    output: Any = Field(description="of the node whose handler is `output`, else of the nodes that no other depends on")
    results: dict[str, Any] = Field(description="all committed results except those in `large`, by node id")
    large: dict[str, LargeResult] = Field(
        default_factory=dict, description="by node id; `output` leaves these out, and is null if it is one of them"
    )


class Finished(Triggered):
    """Answer to a trigger with `?wait=` whose instance has ended."""

    status: InstanceStatus
    finished_at: str
    error: ErrorView | None = Field(description="null unless it failed or was cancelled")
    output: Any = Field(description="as in the results")
    large: dict[str, LargeResult] = Field(description="as in the results, of the nodes that make the output")


class Health(BaseModel):
    """What the service can reach."""

    status: str = Field(description="`ok`, or `degraded` with 503")
    store: str
    queue: str
    load: str = Field(default="ok", description="`ok`, or why new instances are refused for now (the rest goes on)")
    versions: dict[str, str]


class ProblemError(BaseModel):
    """One fault of the request."""

    pointer: str = Field(description="RFC 6901 JSON pointer into the body")
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = Field(default_factory=list)
