"""The list of all metrics, each with its names in CloudWatch and Prometheus, its unit, and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "dag-service"


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity, for fast lookups as dict keys at every commit
class Metric:
    """One metric. In CloudWatch it is `name`, with the dimensions `service` and, if `by_handler`, `handler`.

    In Prometheus it is `series`: a histogram in seconds if the unit is Milliseconds, else a counter, with the suffix
    `_total`.
    """

    name: str
    unit: Literal["Count", "Milliseconds", "None"]
    series: str
    help: str
    by_handler: bool = False

    @property
    def is_duration(self) -> bool:
        return self.unit == "Milliseconds"

    @property
    def exposed(self) -> str:
        """The full name in Prometheus."""
        return self.series if self.is_duration else f"{self.series}_total"


INSTANCES_STARTED = Metric("InstancesStarted", "Count", "dag_instances_started", "instances created")
INSTANCES_COMPLETED = Metric("InstancesCompleted", "Count", "dag_instances_completed", "instances that COMPLETED")
INSTANCES_FAILED = Metric("InstancesFailed", "Count", "dag_instances_failed", "instances that FAILED")
INSTANCES_CANCELLED = Metric("InstancesCancelled", "Count", "dag_instances_cancelled", "instances that were cancelled")
INSTANCE_DURATION = Metric(
    "InstanceDuration", "Milliseconds", "dag_instance_duration_seconds", "from the trigger of an instance to its end"
)
NODE_DURATION = Metric(
    "NodeDuration",
    "Milliseconds",
    "dag_node_duration_seconds",
    "the last attempt of a node that ended, from its config to its encoded result",
    by_handler=True,
)
NODES_FAILED = Metric("NodesFailed", "Count", "dag_nodes_failed", "nodes that FAILED", by_handler=True)
NODE_ATTEMPTS = Metric("NodeAttempts", "Count", "dag_node_attempts", "attempts of nodes that ended", by_handler=True)
QUEUE_DELAY = Metric(
    "QueueDelay",
    "Milliseconds",
    "dag_queue_delay_seconds",
    "of a message: from its first node being ready to a worker having claimed it; retries are left out",
)
DISPATCH_LAG = Metric(
    "DispatchLag", "Milliseconds", "dag_dispatch_lag_seconds", "from the commit that made nodes ready to their send"
)
SWEEP_REPAIRS = Metric("SweepRepairs", "Count", "dag_sweep_repairs", "nodes that the sweep sent or settled")
SWEEP_LAG = Metric("SweepLag", "Milliseconds", "dag_sweep_lag_seconds", "how overdue the oldest was that a sweep found")
SWEEP_FAILURES = Metric("SweepFailures", "Count", "dag_sweep_failures", "instances that a sweep could not handle")
DEAD_LETTERS = Metric("DeadLetters", "Count", "dag_dead_letters", "messages that no worker could take")
REFUSED = Metric("Refused", "Count", "dag_refused", "requests answered 503 because too much is waiting")
COST = Metric("Cost", "None", "dag_cost_dollars", "what invocations cost on AWS, in US$: an estimate")

METRICS = (
    INSTANCES_STARTED,
    INSTANCES_COMPLETED,
    INSTANCES_FAILED,
    INSTANCES_CANCELLED,
    INSTANCE_DURATION,
    NODE_DURATION,
    NODES_FAILED,
    NODE_ATTEMPTS,
    QUEUE_DELAY,
    DISPATCH_LAG,
    SWEEP_REPAIRS,
    SWEEP_LAG,
    SWEEP_FAILURES,
    DEAD_LETTERS,
    REFUSED,
    COST,
)
