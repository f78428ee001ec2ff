"""What the HTTP interface answers (DESIGN section 2). Times are RFC 3339 UTC with milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field


class NodeStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class InstanceStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def terminal(self) -> bool:
        return self in (InstanceStatus.COMPLETED, InstanceStatus.FAILED, InstanceStatus.CANCELLED)


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


class Progress(BaseModel):
    """How many nodes are in each state; `total` is the sum of the others."""

    total: int
    pending: int
    running: int
    completed: int
    failed: int
    skipped: int
    cancelled: int


@dataclass(slots=True)  # no model: a status may hold 10,000 of these, and what they are made of is right by its type
class NodeView:
    """One node of an instance."""

    status: NodeStatus
    attempt: Annotated[int, Field(description="0 until the node is ready for its first try")]
    queued_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: Annotated[ErrorView | None, Field(description="of the newest failed attempt")] = None


class StatusView(BaseModel):
    """Status of an instance; `instance_id` is null for a workflow that was never triggered."""

    instance_id: str | None
    execution_id: str
    name: str
    status: InstanceStatus
    progress: Progress
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    error: ErrorView | None = None
    nodes: dict[str, NodeView] = Field(description="by id; empty with `?nodes=false`")


class ResultsView(BaseModel):
    """Results of a terminal instance."""

    instance_id: str
    execution_id: str
    status: InstanceStatus
    output: Any = Field(description="of the node whose handler is `output`, else of the nodes that nobody depends on")
    results: dict[str, Any] = Field(description="every committed result, by node id")


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
