"""What a plan is asked of, and what it answers. Times in seconds, money in US$."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

WORKERS = 5  # as many as AWS Lambda begins with
MOST_WORKERS = 10_000

Seconds = Annotated[float, Field(ge=0, le=840, allow_inf_nan=False)]


class PlanRequest(BaseModel):
    """A workflow, and what is known of how long its nodes take. A workflow alone will do as well."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workflow: dict[str, Any] = Field(description="as for a submission")
    durations: dict[str, Seconds] = Field(
        default_factory=dict, description="seconds by node id, or by handler for those of its nodes that are not named"
    )
    instance_id: str | None = Field(
        None, description="takes what `durations` does not say from how long the nodes of this instance took"
    )
    workers: int = Field(WORKERS, ge=1, le=MOST_WORKERS, description="how many invocations there may be at once")


class CriticalPath(BaseModel):
    """The chain of dependent nodes that takes longest: no run can be shorter."""

    nodes: list[str]
    seconds: float


class Makespan(BaseModel):
    """From the trigger to the end of the last node."""

    seconds: float = Field(description="with `workers` at most")
    workers: int
    unlimited_seconds: float = Field(description="where there is always a worker that is free")
    unlimited_workers: int = Field(description="how many would then be at work at once")


class PredictedUsage(BaseModel):
    """What a run with `makespan.workers` asks for, from its trigger to its end, when nothing fails."""

    messages: int = Field(description="sent to the queue, and taken by a worker; in the status beside what was counted")
    transitions: int = Field(description="calls of Redis that change the instance; in the status, too")
    sqs_requests: int = Field(description="of which each carries up to 10 messages: to send, receive and delete")
    sqs_send_requests: int
    worker_invocations: int
    scheduler_invocations: int = Field(description="0 unless SCHEDULING is `lambda`")
    lambda_seconds: float = Field(description="all these invocations together, handlers included")
    redis_calls: int = Field(description="round trips")
    redis_commands: int = Field(description="in these, those inside scripts included")


class Bill(BaseModel):
    """Of this service: SQS, its Lambda functions with the handlers in them, Redis."""

    sqs: float
    functions: float
    store: float
    total: float


class StepFunctionsBill(BaseModel):
    """Of Step Functions, and of Lambda with an invocation for each node, billed for as long as the node takes."""

    orchestration: float
    functions: float
    total: float


class Cost(BaseModel):
    """US$ a run, by public list prices without free tiers. Storage, API requests and idle polling are not in it."""

    dag_service: Bill
    step_functions_standard: StepFunctionsBill
    step_functions_express: StepFunctionsBill


class Sources(BaseModel):
    """How many nodes' durations were given in the request, recorded in an instance, or assumed."""

    given: int
    recorded: int
    assumed: int
    total_seconds: float = Field(description="of all nodes together")


class Assumptions(BaseModel):
    """What the numbers rest on beside the workflow."""

    instant_seconds: float = Field(description="a node of a handler that answers at once")
    other_seconds: float = Field(description="a node of any other handler of which nothing is known")
    redis_seconds: float = Field(description="a call of Redis")
    aws_seconds: float = Field(description="a request to SQS or Lambda")
    queue_seconds: float = Field(description="from a message's sending to its worker")
    scheduler_seconds: float = Field(description="from an invocation of the scheduler to its start")
    memory_gb: float = Field(description="of every Lambda function")
    scheduling: Literal["inline", "lambda"]
    hop_seconds: float
    notes: list[str]


class Forecast(BaseModel):
    """What a run will take."""

    name: str
    nodes: int
    edges: int
    levels: list[list[str]] = Field(
        description="node ids by how many come before them on the longest path: none depends on another in its level"
    )
    max_parallelism: int = Field(
        description="nodes in the widest level: so many can run at once. A larger set of independent nodes across "
        "levels may exist"
    )
    critical_path: CriticalPath
    makespan: Makespan
    usage: PredictedUsage
    cost_usd: Cost
    durations: Sources
    assumptions: Assumptions
