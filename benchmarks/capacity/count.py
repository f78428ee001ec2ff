"""The use of nodes that wait on I/O, counted on a real Valkey and SQS: `python -m benchmarks.capacity --count`."""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from benchmarks.bill import chain
from benchmarks.capacity.workloads import Use
from benchmarks.floor import running_localstack
from benchmarks.meter import Meter
from benchmarks.turn import running_valkey
from chalicelib.handlers.api import Config, handler
from examples.run import fan_out
from local import queues

WAIT_SECONDS = 0.02


def use() -> Iterator[tuple[str, Use]]:
    """The use, by workload and way of scheduling."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    cases = {
        "chain of 10 waits": (waiting(chain(10)), 20),
        "fan of 1,000 waits": (waiting(fan_out(1000)), 1),
        "1 → 8 → 1 no-ops": (fan_out(8), 100),
    }
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url = stack.enter_context(running_valkey(directory))
        endpoint = stack.enter_context(running_localstack(directory))
        client = stack.enter_context(closing(queues.client(endpoint)))
        for title, (workflow, instances) in cases.items():
            for scheduling in ("inline", "lambda"):
                queue = queues.ensure(client, f"count-{uuid.uuid4().hex[:8]}", visibility_seconds=60).queue
                meter = Meter(redis_url, queue, endpoint, scheduling=scheduling)
                stack.callback(meter.close)
                meter.app.handlers["wait"] = wait
                meter.run(workflow)
                yield f"{title}, {scheduling}", _count(meter, workflow, instances)


def waiting(workflow: dict[str, Any]) -> dict[str, Any]:
    """The same workflow, with nodes that wait."""
    for node in workflow["dag"]["nodes"]:
        node["handler"] = "wait"
        node.pop("config", None)
    return workflow


@handler("wait", waits=True)
def wait(config: Config) -> None:
    """Waits, as for a service."""
    time.sleep(WAIT_SECONDS)


def _count(meter: Meter, workflow: dict[str, Any], instances: int) -> Use:
    sent: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        sent.append(len(json.loads(params["body"])["Entries"]))

    meter._sqs.meta.events.register("before-call.sqs.SendMessageBatch", note)
    busy: list[float] = []
    original = meter.app.worker.handle

    def handle(event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        started = time.process_time()
        try:
            return original(event, context)
        finally:
            busy.append(time.process_time() - started)

    meter.app.worker.handle = handle  # type: ignore[method-assign]
    before = _script_seconds(meter)
    usage = meter.run(workflow, instances)
    calls = meter.calls["redis"]  # before the meter is asked anything else, which would count
    spent = _script_seconds(meter) - before
    return Use(
        sqs_requests=usage.sqs_requests / usage.nodes,
        messages=sum(sent) / usage.nodes,
        schedulers=meter.calls["scheduler"] / usage.nodes,
        redis_calls=calls / usage.nodes,
        redis_commands=usage.redis_commands / usage.nodes,
        script_seconds=spent / usage.nodes,
        worker_seconds=sum(busy) / usage.nodes,
    )


def _script_seconds(meter: Meter) -> float:
    """The time for which the server itself has executed scripts."""
    return float(meter._redis.info("commandstats")["cmdstat_evalsha"]["usec"]) / 1e6
