"""The requests for a plan, and its answer. Times are in seconds, money in US$."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

WORKERS = 5  # AWS Lambda begins with as many
MOST_WORKERS = 10_000

Seconds = Annotated[float, Field(ge=0, le=840, allow_inf_nan=False)]


class PlanRequest(BaseModel):
    """A workflow, with what is known about the durations of its nodes. A workflow alone is accepted, too."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workflow: dict[str, Any] = Field(description="as in a submission")
    durations: dict[str, Seconds] = Field(
        default_factory=dict, description="seconds by node id, or by handler for its nodes that are not listed by id"
    )
    instance_id: str | None = Field(
        None, description="nodes that `durations` leaves out take as long as they took in this instance"
    )
    workers: int = Field(WORKERS, ge=1, le=MOST_WORKERS, description="how many invocations may run at once")


class CriticalPath(BaseModel):
    """The chain of dependent nodes that takes longest: no run can be shorter."""

    nodes: list[str]
    seconds: float


class Makespan(BaseModel):
    """The time from the trigger to the end of the last node."""

    seconds: float = Field(description="with at most `workers` workers")
    workers: int
    unlimited_seconds: float = Field(description="if there is always a free worker")
    unlimited_workers: int = Field(description="how many workers would then run at once")


class PredictedUsage(BaseModel):
    """What a run with `makespan.workers` uses, from its trigger to its end, if nothing fails."""

    messages: int = Field(description="taken from the queue by a worker; a status has this next to what was counted")
    transitions: int = Field(description="calls to Redis that change the instance; a status has this, too")
    sqs_requests: int = Field(description="to send, receive and delete messages, of which each carries up to 10")
    sqs_send_requests: int
    worker_invocations: int
    scheduler_invocations: int = Field(description="0 unless SCHEDULING is `lambda`")
    lambda_seconds: float = Field(description="of all these invocations together, including the handlers")
    gb_seconds: float = Field(description="of memory for as long, for which Lambda charges; a status has this, too")
    gb_seconds_per_node_second: float | None = Field(
        description="what a second of a node takes: `memory_gb` if each had an invocation of its own, less the more of "
        "them wait in one; null if all nodes are instant"
    )
    redis_calls: int = Field(description="round trips to Redis")
    redis_commands: int = Field(description="in these calls, including those inside scripts")


class Bill(BaseModel):
    """The cost of this service: SQS, its Lambda functions with the handlers in them, and Redis."""

    sqs: float
    functions: float
    store: float
    total: float


class StepFunctionsBill(BaseModel):
    """The cost of Step Functions, and of Lambda with an invocation for each node that lasts as long as the node."""

    orchestration: float
    functions: float
    total: float


class Cost(BaseModel):
    """US$ for a run, at list prices without free tiers. Storage, API requests and idle polling are not included."""

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
    """What the numbers are based on besides the workflow."""

    instant_seconds: float = Field(description="a node whose handler returns at once")
    other_seconds: float = Field(description="any other node about whose duration nothing is known")
    redis_seconds: float = Field(description="a call to Redis")
    aws_seconds: float = Field(description="a request to SQS or Lambda")
    queue_seconds: float = Field(description="from sending a message until a worker has it")
    scheduler_seconds: float = Field(description="from an invocation of the scheduler to its start")
    memory_gb: float = Field(description="of every Lambda function")
    scheduling: Literal["inline", "lambda"]
    hop_seconds: float
    notes: list[str]


class Forecast(BaseModel):
    """The forecast of a run."""

    name: str
    nodes: int
    edges: int
    levels: list[list[str]] = Field(
        description="node ids by the length of the longest path to them: within a level, no node depends on another"
    )
    max_parallelism: int = Field(
        description="nodes in the widest level, which can all run at once. There may be a larger set of independent "
        "nodes across levels"
    )
    critical_path: CriticalPath
    makespan: Makespan
    usage: PredictedUsage
    cost_usd: Cost
    durations: Sources
    assumptions: Assumptions
