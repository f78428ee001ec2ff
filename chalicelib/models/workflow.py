"""The workflow definition as users send it (DESIGN section 3)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

NodeId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$", description="letters, digits, `_` and `-`, at most 128"),
]


class RetryPolicy(BaseModel):
    """Exponential backoff with full jitter: uniform(0, min(max, initial * multiplier ** (failures - 1))) seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_attempts: int = Field(1, ge=1, le=100)
    initial_backoff_seconds: float = Field(1, ge=0, le=86400)
    backoff_multiplier: float = Field(2, ge=1, le=100)
    max_backoff_seconds: float = Field(300, ge=0, le=86400)


class Node(BaseModel):
    """One step of a workflow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: NodeId
    handler: str = Field(min_length=1, max_length=128)
    # Fail fast: pydantic needs 500 bytes a fault, and core/definition.py finds the others.
    dependencies: Annotated[list[str], FailFast()] = Field(
        default_factory=list, description="ids of the nodes that must complete first"
    )
    config: dict[str, Any] = Field(default_factory=dict, description="fits the handler's model; may hold templates")
    retry_policy: RetryPolicy | None = None
    timeout_seconds: float | None = Field(None, gt=0, le=840)


class Dag(BaseModel):
    """The nodes of a workflow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: list[Node] = Field(min_length=1)


class Workflow(BaseModel):
    """A workflow definition. Immutable once stored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=200)
    dag: Dag


class Trigger(BaseModel):
    """The body of a trigger."""

    model_config = ConfigDict(extra="forbid", strict=True)

    params: dict[str, Any] = Field(default_factory=dict, description="what templates read as `{{ params.x }}`")
