"""`python -m benchmarks.bill [no-ops|waits] [--seconds 5]`: what a million nodes cost on AWS, by workload, counted on a
real Valkey and SQS.

The formulas and prices are in chalicelib/core/cost.py. In the first table the handlers do nothing: a real handler's
time comes on top, in every engine. In the second one the nodes call a service that answers each after so many seconds.
That takes as long as they wait, one invocation after another: 7 minutes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import service
from benchmarks.capacity.limits import PROCESSOR
from benchmarks.dag import Dag
from benchmarks.floor import running_localstack
from benchmarks.meter import Meter
from benchmarks.turn import running_valkey
from chalicelib.core import cost
from chalicelib.core.cost import Consumption
from examples.run import fan_out, layered
from local import queues

MEMORY_GB = 0.5
BELOW = """
Counts and ms are per node. Step Functions and durable functions by their price lists, for the same nodes."""
WAITS_BELOW = """
Invocations and GB-seconds were measured here; what the processor took is counted as 1769/512 times as long, which is
Lambda's share for 512 MB. The rest is by price lists, in US$ per million nodes. With an HTTP task no function runs
meanwhile. Express takes at least 64 MB for as long as an instance lasts, and a durable function runs as long."""


def chain(length: int) -> dict[str, Any]:
    nodes = [{"id": f"n{i}", "handler": "noop", "dependencies": [f"n{i - 1}"] if i else []} for i in range(length)]
    return {"name": f"chain of {length}", "dag": {"nodes": nodes}}


WORKLOADS = {
    "chain of 200": (chain(200), 1),
    "1 → 1,000 → 1": (fan_out(1000), 1),
    "20 layers of 50": (layered(20, 50), 1),
    "50 instances of 1 → 8 → 1": (fan_out(8), 50),
}


@dataclass(frozen=True, slots=True)
class Waits:
    """Instances of calls. `batch`: messages in an invocation at most. It is one if they trickle in."""

    title: str
    workflow: dict[str, Any]
    instances: int = 1
    batch: int = 10

    def calling(self, url: str) -> dict[str, Any]:
        """The workflow, with a call of this URL in each node."""
        call = {"handler": "call_external_service", "config": {"url": url}}
        return {**self.workflow, "dag": {"nodes": [node | call for node in self.workflow["dag"]["nodes"]]}}

    @property
    def levels(self) -> int:
        """How many nodes of an instance wait one after the other."""
        return len(Dag.of(self.workflow).levels())


WAITS = (
    Waits("1 → 1,000 → 1", fan_out(1000)),
    Waits("1 → 200 → 1, each message alone", fan_out(200), batch=1),
    Waits("50 instances of 1 → 8 → 1 at once", fan_out(8), 50),
    Waits("1 → 8 → 1, trickling in", fan_out(8), 5, batch=1),
    Waits("chain of 10, trickling in", chain(10), batch=1),
    Waits("single nodes, trickling in", chain(1), 10, batch=1),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bill")
    parser.add_argument("only", nargs="?", choices=["no-ops", "waits"])
    parser.add_argument("--seconds", type=float, default=5.0, help="for which a call waits")
    given = parser.parse_args()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bill-")))
        redis_url = stack.enter_context(running_valkey(directory))
        endpoint = stack.enter_context(running_localstack(directory))
        client = stack.enter_context(closing(queues.client(endpoint)))

        def meter(**more: Any) -> Meter:
            queue = queues.ensure(client, f"bill-{uuid.uuid4().hex[:8]}", visibility_seconds=60).queue
            return Meter(redis_url, queue, endpoint, **more)

        if given.only != "waits":
            for line in no_ops(meter):
                print(line, flush=True)
        if given.only != "no-ops":
            for line in waits(meter, stack.enter_context(service.running()), given.seconds):
                print(line, flush=True)


def table(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def no_ops(meter: Callable[..., Meter]) -> Iterator[str]:
    counts = ("workload", "scheduling", "SQS requests", "invocations", "Redis commands", "ms")
    yield table(*counts, "US$ per million nodes", "Standard", "Express", "durable")
    for title, (workflow, instances) in WORKLOADS.items():
        for scheduling in ("inline", "lambda"):
            with closing(meter(scheduling=scheduling)) as counting:
                counting.run(workflow)  # warm up: the plan is in memory, handlers are measured
                yield row(title, scheduling, counting.run(workflow, instances))
    yield BELOW


def waits(meter: Callable[..., Meter], url: str, seconds: float) -> Iterator[str]:
    """With the scheduler function, as in the template."""
    measured = (f"calls of {seconds:g} s", "invocations a node", "GB-seconds a node second", "US$ per million nodes")
    yield "\n" + table(
        *measured, "Standard, HTTP task", "Standard, Lambda", "Express, HTTP task", "Express, Lambda", "durable"
    )
    for load in WAITS:
        with closing(meter(scheduling="lambda", batch_size=load.batch, allow_private_addresses=True)) as counting:
            counting.run(load.calling(f"{url}/0"))
            usage = counting.run(load.calling(f"{url}/{seconds}"), load.instances)
            yield waits_row(load, usage, counting.processor_seconds, seconds)
    yield WAITS_BELOW


def row(title: str, scheduling: str, usage: Consumption) -> str:
    bill = cost.ours(usage)
    each = (usage.sqs_requests, usage.invocations, usage.redis_commands, usage.seconds * 1000)
    prices = (bill.total, cost.standard(usage), cost.express(usage), cost.durable(usage))
    cells = [f"{count / usage.nodes:.3f}" for count in each] + [f"{cost.per_million(p, usage):.2f}" for p in prices]
    return f"| {title} | {scheduling} | " + " | ".join(cells) + " |"


def on_lambda(usage: Consumption, processor_seconds: float) -> Consumption:
    """The same with the seconds that the invocations would take with Lambda's share of a processor."""
    return replace(usage, seconds=usage.seconds + processor_seconds * (1 / PROCESSOR - 1))


def waits_row(load: Waits, usage: Consumption, processor_seconds: float, seconds: float) -> str:
    usage = on_lambda(usage, processor_seconds)
    node_seconds, instance_seconds = usage.nodes * seconds, usage.instances * load.levels * seconds
    lambdas = cost.lambdas(usage.nodes, node_seconds, memory_gb=MEMORY_GB)
    express = cost.express_orchestration(usage.instances, instance_seconds)
    prices = (
        cost.ours(usage, memory_gb=MEMORY_GB).total,
        cost.standard(usage),
        cost.standard(usage) + lambdas,
        express,
        express + lambdas,
        cost.durable(replace(usage, seconds=instance_seconds), memory_gb=MEMORY_GB),
    )
    cells = [f"{usage.invocations / usage.nodes:.3f}", f"{usage.seconds * MEMORY_GB / node_seconds:.4f}"]
    return f"| {load.title} | " + " | ".join(cells + [f"{cost.per_million(p, usage):.2f}" for p in prices]) + " |"


if __name__ == "__main__":
    main()
