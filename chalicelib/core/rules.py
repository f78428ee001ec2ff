"""The input of a rehearsal, which is the rules of the engine and a profile of each node, and its output, the totals.

Times are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.weight import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the engine groups work, and for how long it goes on.

    `inline`: a process sends what it makes ready, instead of the scheduler. `room`: the weight that fits into a message
    or a hop. `batch_size`: messages in a request or an invocation. `commit_size`: nodes in a commit. `take_due_limit`:
    nodes that the scheduler takes in a call.
    """

    inline: bool
    room: int
    batch_size: int
    commit_size: int
    take_due_limit: int
    hop_seconds: float
    first_hop_seconds: float
    first_hop_nodes: int
    function_seconds: float
    lease_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long the engine waits: for an answer of Redis, for one of SQS or Lambda (`aws`), until a message reaches a
    worker (`queue`), and until an invocation of the scheduler starts."""

    redis: float
    aws: float
    queue: float
    scheduler: float


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """A node as the engine sees it: how long it takes, and how much of the room.

    A process that has not measured the node's handler counts its `unmeasured_weight`. `longest_seconds` is the node's
    timeout: a worker runs on with the node only if that much of the invocation is left.
    """

    seconds: float
    weight: Weight
    unmeasured_weight: Weight
    instant: bool
    longest_seconds: float


@dataclass(slots=True)
class RunTotals:
    """The totals of one run.

    `messages` are those that workers claim, `transitions` the calls of Redis that change the instance. `lambda_seconds`
    are those of all invocations together; `makespan_seconds` ends with the last node.
    """

    messages: int = 0
    transitions: int = 0
    sqs_send_requests: int = 0
    worker_invocations: int = 0
    scheduler_invocations: int = 0
    redis_calls: int = 0
    redis_commands: int = 0
    lambda_seconds: float = 0.0
    peak_workers: int = 0
    makespan_seconds: float = 0.0

    @property
    def sqs_requests(self) -> int:
        """Requests that send, and for each invocation of a worker one that receives and one that deletes."""
        return self.sqs_send_requests + 2 * self.worker_invocations
