"""The workloads, and what a node of each uses, as counted by `python -m benchmarks.capacity --count`."""

from __future__ import annotations

from dataclasses import dataclass

# AWS does not say what a script costs on ElastiCache Serverless. AWS's estimator for migrations takes 3 us of the
# server's time as a unit; chalicelib/core/cost.py takes a command as a unit. Here the larger number counts.
SECONDS_PER_UNIT = 3e-6
NODE_BYTES = 140  # a finished node with a null result (benchmarks/README.md, "Speed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The use of one node. `messages`: received from the queue. `schedulers`: invocations of the scheduler function.

    `script_seconds`: Redis's own, in scripts. `worker_seconds`: the worker's, on a whole processor.
    """

    sqs_requests: float
    messages: float
    schedulers: float
    redis_calls: float
    redis_commands: float
    script_seconds: float
    worker_seconds: float

    @property
    def units(self) -> float:
        """ElastiCache processing units."""
        return max(self.redis_commands, self.script_seconds / SECONDS_PER_UNIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of an instance: `messages` at once, each with `nodes` nodes. These wait one after the other, or
    `together`."""

    messages: int
    nodes: int
    wait_seconds: float = 0.0
    together: bool = False

    @property
    def seconds(self) -> float:
        """How long a message waits for its handlers."""
        return self.wait_seconds * (1 if self.together else self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`result_bytes`: the average size of a node's result in Redis."""

    title: str
    stages: tuple[Stage, ...]
    use: Use
    result_bytes: int = 0

    @property
    def nodes(self) -> int:
        return sum(stage.messages * stage.nodes for stage in self.stages)

    @property
    def node_bytes(self) -> int:
        return NODE_BYTES + self.result_bytes


CALL_SECONDS = 0.2

CHAIN = Workload(
    title="chain of 10 calls of 0.2 s",
    stages=(Stage(messages=1, nodes=10, wait_seconds=CALL_SECONDS),),
    use=Use(
        sqs_requests=0.12,
        messages=0.1,
        schedulers=0.1,
        redis_calls=1.5,
        redis_commands=17.2,
        script_seconds=94e-6,
        worker_seconds=410e-6,
    ),
    result_bytes=300,
)
FAN = Workload(
    title="1 → 1,000 calls of 0.2 s → 1",
    stages=(
        Stage(messages=1, nodes=1),
        Stage(messages=50, nodes=20, wait_seconds=CALL_SECONDS, together=True),
        Stage(messages=1, nodes=1),
    ),
    use=Use(
        sqs_requests=0.02,
        messages=0.05,
        schedulers=0.002,
        redis_calls=0.5,
        redis_commands=11.0,
        script_seconds=54e-6,
        worker_seconds=420e-6,
    ),
    result_bytes=300,
)
SMALL = Workload(
    title="1 → 8 → 1 no-ops",
    stages=(Stage(messages=1, nodes=10),),
    use=Use(
        sqs_requests=0.12,
        messages=0.1,
        schedulers=0.1,
        redis_calls=0.8,
        redis_commands=9.9,
        script_seconds=29e-6,
        worker_seconds=57e-6,
    ),
)
ALL = (CHAIN, FAN, SMALL)
