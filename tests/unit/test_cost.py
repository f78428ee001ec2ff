"""Bills computed by hand: each price times its count, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import cost
from chalicelib.core.cost import Consumption

NOTHING = {"nodes": 0, "instances": 0, "sqs_requests": 0, "invocations": 0, "seconds": 0.0, "redis_commands": 0}


def usage(**some: Any) -> Consumption:
    return Consumption(**NOTHING | some)


@pytest.mark.parametrize(
    ("used", "sqs", "functions", "store"),
    [
        ({}, 0, 0, 0),
        ({"sqs_requests": 1_000_000}, 0.40, 0, 0),
        ({"invocations": 1_000_000}, 0, 0.20, 0),
        ({"seconds": 1_000_000.0}, 0, 8.33335, 0),  # 512 MB
        ({"redis_commands": 1_000_000_000}, 0, 0, 2.3),
        ({"nodes": 7, "instances": 7}, 0, 0, 0),
    ],
)
def test_each_of_our_prices(used: dict[str, Any], sqs: float, functions: float, store: float) -> None:
    bill = cost.ours(usage(**used))
    assert (bill.sqs, bill.functions, bill.store) == pytest.approx((sqs, functions, store))
    assert bill.total == pytest.approx(sqs + functions + store)


def test_our_bill_is_the_sum_and_memory_counts() -> None:
    used = usage(sqs_requests=10, invocations=20, seconds=30.0, redis_commands=40)
    assert cost.ours(used, memory_gb=2).total == pytest.approx(
        10 * 0.4e-6 + 20 * 0.2e-6 + 60 * 16.6667e-6 + 40 * 2.3e-9
    )


@pytest.mark.parametrize(
    ("bill", "dollars"),
    [
        # The bill of 9 nodes in 2 instances that ran for 100 s together, in functions of 512 MB and of 1 GB.
        (lambda used, **memory: cost.standard(used), (11 * 25e-6, 11 * 25e-6)),
        (
            cost.express,
            tuple(2 * 1e-6 + 100 * 0.0625 * 16.67e-6 + 9 * 0.2e-6 + 100 * gb * 16.6667e-6 for gb in (0.5, 1)),
        ),
        (cost.durable, tuple(9 * 8e-6 + 2 * 0.2e-6 + 100 * gb * 16.6667e-6 for gb in (0.5, 1))),
    ],
)
def test_what_others_charge(bill: Any, dollars: tuple[float, float]) -> None:
    used = usage(nodes=9, instances=2, seconds=100.0, sqs_requests=99, invocations=99, redis_commands=99)
    assert (bill(used), bill(used, memory_gb=1)) == pytest.approx(dollars)


def test_dollars_per_million_nodes() -> None:
    assert cost.per_million(3.0, usage(nodes=500_000)) == pytest.approx(6.0)


def test_commands_of_a_call_grow_with_its_nodes_where_the_script_goes_through_them() -> None:
    assert cost.commands("claim") == 7 and cost.commands("claim", 10) == 37
    assert cost.commands("complete", 5) == 16 and cost.commands("create", 5) == 21
    assert cost.commands("anything else", 5) == 2
