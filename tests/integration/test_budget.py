"""The budget of round trips and requests of a run: a test fails if they grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.bill import WORKLOADS
from benchmarks.meter import Meter
from chalicelib.core import cost


@pytest.fixture
def meter(valkey_url: str, queue_urls: Any, localstack_url: str, scheduling: str) -> Iterator[Meter]:
    meter = Meter(valkey_url, queue_urls.url, localstack_url, scheduling=scheduling)
    yield meter
    meter.close()


# Per node: calls to Redis, SQS requests, invocations, commands in Redis. These are the figures that were measured, and
# a little more.
BUDGET = {
    ("chain of 200", "inline"): (1.1, 0.02, 0.008, 13),
    ("1 → 1,000 → 1", "inline"): (0.035, 0.01, 0.004, 4.5),
    ("20 layers of 50", "inline"): (0.03, 0.004, 0.002, 1.6),
    ("50 instances of 1 → 8 → 1", "inline"): (0.7, 0.2, 0.02, 8.5),
    ("chain of 200", "lambda"): (1.1, 0.02, 0.015, 13),
    ("1 → 1,000 → 1", "lambda"): (0.04, 0.012, 0.006, 6),
}


@pytest.mark.parametrize(("workload", "scheduling"), BUDGET)
def test_what_a_node_costs(meter: Meter, workload: str, scheduling: str) -> None:
    workflow, instances = WORKLOADS[workload]
    usage = meter.run(workflow, instances)
    each = (meter.calls["redis"], usage.sqs_requests, usage.invocations, usage.redis_commands)
    seen = tuple(count / usage.nodes for count in each)
    print(f"{workload}, {scheduling}: Redis calls, SQS requests, invocations, Redis commands a node: {seen}")
    assert all(count <= most for count, most in zip(seen, BUDGET[workload, scheduling], strict=True)), seen
    if instances == 1 and scheduling == "inline":
        assert_forecast(meter, workflow, usage)
    # The promise of the bill. The seconds are not priced, since they depend on the machine of the test.
    bill = cost.ours(usage).total - usage.seconds * 0.5 * cost.LAMBDA_GB_SECOND
    assert bill <= cost.standard(usage) / 100


def assert_forecast(meter: Meter, workflow: dict[str, Any], usage: cost.Consumption) -> None:
    """Check that a run takes what its forecast says. SQS decides what a receive returns: an invocation more or less."""
    forecast = meter.app.forecaster.of_body(json.dumps({"workflow": workflow, "workers": 1}).encode()).usage
    print(f"forecast {forecast}")
    assert abs(forecast.worker_invocations - usage.invocations) <= 1
    assert forecast.sqs_send_requests == usage.sqs_requests - 2 * usage.invocations
    # A process reads the workflow once, and now and then the load.
    assert forecast.redis_calls <= meter.calls["redis"] <= forecast.redis_calls + 6
    assert forecast.redis_commands == pytest.approx(usage.redis_commands, rel=0.05)
