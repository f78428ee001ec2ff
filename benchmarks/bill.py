"""`python -m benchmarks.bill`: what a million nodes cost on AWS, by workload, counted on a real Valkey and SQS.

The formulas and prices are in chalicelib/core/cost.py. The handlers do nothing: a real handler's time comes on top, in
every engine.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.floor import running_localstack
from benchmarks.meter import Meter
from benchmarks.turn import running_valkey
from chalicelib.core import cost
from examples.run import fan_out, layered
from local import queues


def chain(length: int) -> dict[str, object]:
    nodes = [{"id": f"n{i}", "handler": "noop", "dependencies": [f"n{i - 1}"] if i else []} for i in range(length)]
    return {"name": f"chain of {length}", "dag": {"nodes": nodes}}


WORKLOADS = {
    "chain of 200": (chain(200), 1),
    "1 → 1,000 → 1": (fan_out(1000), 1),
    "20 layers of 50": (layered(20, 50), 1),
    "50 instances of 1 → 8 → 1": (fan_out(8), 50),
}


def main() -> None:
    print(
        "| workload | scheduling | SQS requests | invocations | Redis commands | ms | US$ per million nodes |", end=""
    )
    print(" Standard | Express | durable |\n|---|---|---|---|---|---|---|---|---|---|")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url = stack.enter_context(running_valkey(directory))
        endpoint = stack.enter_context(running_localstack(directory))
        client = stack.enter_context(closing(queues.client(endpoint)))
        for title, (workflow, instances) in WORKLOADS.items():
            for scheduling in ("inline", "lambda"):
                queue = queues.ensure(client, f"bill-{uuid.uuid4().hex[:8]}", visibility_seconds=60).queue
                meter = Meter(redis_url, queue, endpoint, scheduling=scheduling)
                meter.run(workflow)  # warm up: the plan is in memory, handlers are measured
                print(row(title, scheduling, meter.run(workflow, instances)))
                meter.close()
    print(
        "\nCounts and ms are per node. Step Functions and durable functions by their price lists, for the same nodes."
    )


def row(title: str, scheduling: str, usage: cost.Consumption) -> str:
    bill = cost.ours(usage)
    each = (usage.sqs_requests, usage.invocations, usage.redis_commands, usage.seconds * 1000)
    prices = (bill.total, cost.standard(usage), cost.express(usage), cost.durable(usage))
    cells = [f"{count / usage.nodes:.3f}" for count in each] + [f"{cost.per_million(p, usage):.2f}" for p in prices]
    return f"| {title} | {scheduling} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
