"""The cost of a run on AWS, from what was counted while it ran, and what other services charge for its nodes. Pure.

Prices: the public price lists of us-east-1, November 2026, in US$, without free tiers: Amazon SQS (standard queues),
AWS Lambda (x86), Amazon ElastiCache Serverless for Valkey, AWS Step Functions, Lambda durable functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.transitions import TRANSITIONS

SQS_REQUEST = 0.40e-6
LAMBDA_REQUEST = 0.20e-6
LAMBDA_GB_SECOND = 16.6667e-6
ECPU = 0.0023e-6  # for a command on up to 1 KB; commands inside a script count, too
STANDARD_TRANSITION = 25e-6
EXPRESS_REQUEST = 1.0e-6
EXPRESS_GB_SECOND = 16.67e-6
EXPRESS_GB = 0.0625  # billed in steps of 64 MB
DURABLE_OPERATION = 8e-6

# Commands that Redis executes for a call that is not a transition; READ stands for calls that are not listed.
COMMANDS = {"put_workflow": 9, "workflow": 4, "overdue": 65, "pressure": 66}
READ = 2


def commands(call: str, nodes: int = 0) -> int:
    """How many commands Redis executes for a call of the store that is about this many nodes.

    Those inside a script are counted, too.
    """
    if call in TRANSITIONS:
        once, each = TRANSITIONS[call].commands
        return once + each * nodes
    return COMMANDS.get(call, READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """The resources that `instances` instances with `nodes` nodes in all consumed: counted, not assumed.

    `invocations` are those of the worker and the scheduler, and `seconds` is how long they ran in total.
    `redis_commands` are all that the server executed, including those inside scripts.
    """

    nodes: int
    instances: int
    sqs_requests: int
    invocations: int
    seconds: float
    redis_commands: int


@dataclass(frozen=True, slots=True)
class Charges:
    """US$ by service."""

    sqs: float
    functions: float
    store: float

    @property
    def total(self) -> float:
        return self.sqs + self.functions + self.store


def ours(usage: Consumption, *, memory_gb: float = 0.5) -> Charges:
    """requests * 0.40e-6 + invocations * 0.20e-6 + seconds * GB * 16.6667e-6 + commands * 0.0023e-6.

    The seconds include the handlers' own time. What is billed whatever runs (storage, API) is left out.
    """
    return Charges(
        usage.sqs_requests * SQS_REQUEST,
        lambdas(usage.invocations, usage.seconds, memory_gb=memory_gb),
        usage.redis_commands * ECPU,
    )


def standard(usage: Consumption) -> float:
    """Step Functions Standard: a transition per node and per start of an instance; the Lambdas come on top."""
    return (usage.nodes + usage.instances) * STANDARD_TRANSITION


def express(usage: Consumption, *, memory_gb: float = 0.5) -> float:
    """Step Functions Express: a request per instance and its duration, and a Lambda invocation per node.

    An instance is assumed to last as long as its share of our own seconds: no orchestration is faster than that.
    """
    orchestration = express_orchestration(usage.instances, usage.seconds)
    return orchestration + lambdas(usage.nodes, usage.seconds, memory_gb=memory_gb)


def express_orchestration(instances: int, seconds: float) -> float:
    """The charge of Express alone for instances that last this long in total."""
    return instances * EXPRESS_REQUEST + seconds * EXPRESS_GB * EXPRESS_GB_SECOND


def lambdas(invocations: int, seconds: float, *, memory_gb: float = 0.5) -> float:
    """The charge of Lambda for functions that run for this long in total."""
    return invocations * LAMBDA_REQUEST + seconds * memory_gb * LAMBDA_GB_SECOND


def durable(usage: Consumption, *, memory_gb: float = 0.5) -> float:
    """Lambda durable functions: an operation per node, an invocation per instance, and the same seconds."""
    return usage.nodes * DURABLE_OPERATION + lambdas(usage.instances, usage.seconds, memory_gb=memory_gb)


def per_million(amount: float, usage: Consumption) -> float:
    """US$ per million nodes."""
    return amount / usage.nodes * 1e6
