"""The workflow definition as users send it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field

from chalicelib import node_ids


def _node_id(id: str) -> str:
    if fault := node_ids.fault(id):
        raise ValueError(fault)
    return id


NodeId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=node_ids.MOST,
        description=f"printable characters except braces and quotes, at most {node_ids.MOST}",
        # As much of the rule as a regular expression of every dialect can express; the rest is in `node_ids.fault`.
        json_schema_extra={"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f{}\"'`]+$"},
    ),
    AfterValidator(_node_id),
]

OnFailure = Literal["fail", "ignore"]
Tags = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")],
        Annotated[str, Field(max_length=128)],
    ],
    Field(max_length=20, description="at most 20, to find instances by"),
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
    # Fail fast: pydantic needs 500 bytes for each fault, and core/definition.py finds the others.
    dependencies: Annotated[list[str], FailFast()] = Field(
        default_factory=list, description="ids of the nodes that must complete first"
    )
    config: dict[str, Any] = Field(default_factory=dict, description="must fit the handler's model; may hold templates")
    retry_policy: RetryPolicy | None = None
    timeout_seconds: float | None = Field(None, gt=0, le=840)
    on_failure: OnFailure | None = Field(
        None, description="with `ignore`, its children run even if it fails, with null as its result (default `fail`)"
    )


class Defaults(BaseModel):
    """Policies of the nodes that set none of their own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    retry_policy: RetryPolicy | None = None
    timeout_seconds: float | None = Field(None, gt=0, le=840)
    on_failure: OnFailure | None = None


class Webhook(BaseModel):
    """Called when an instance is terminal."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(pattern=r"^https?://[^\s{}]+$", max_length=2000)
    secret: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,128}$", description="the name of the secret that signs the call"
    )


class Dag(BaseModel):
    """The nodes of a workflow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: list[Node] = Field(min_length=1)


class Workflow(BaseModel):
    """A workflow definition. Immutable once stored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=200)
    dag: Dag
    tags: Tags = Field(default_factory=dict)
    failure_policy: Literal["continue", "fail_fast"] = Field(
        "continue",
        description="when a node fails: `continue` with the branches that do not depend on it, or `fail_fast`",
    )
    timeout_seconds: float | None = Field(None, gt=0, le=31 * 86400, description="how long an instance may take")
    defaults: Defaults | None = None
    webhook: Webhook | None = None


class Trigger(BaseModel):
    """The body of a trigger."""

    model_config = ConfigDict(extra="forbid", strict=True)

    params: dict[str, Any] = Field(default_factory=dict, description="what templates read as `{{ params.x }}`")
    tags: Tags = Field(default_factory=dict, description="merged over the workflow's tags")


class Reason(BaseModel):
    """The body of a cancellation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field("", max_length=1000, description="shown as the instance's error")


class Rerun(BaseModel):
    """The body of a rerun."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: list[str] = Field(
        default_factory=list,
        max_length=10_000,
        alias="from",
        description="nodes to run again, with all that depends on them and all that did not complete; "
        "without any, only what did not complete",
    )
    params: dict[str, Any] | None = Field(
        None, description="new params; without `from` every node runs again, since any may have read them"
    )
