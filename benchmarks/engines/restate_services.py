"""The services that Hypercorn serves for Restate: a DAG level by level, with calls or with steps for its nodes."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import restate

from benchmarks import nodes
from benchmarks.dag import Dag

AGAIN = timedelta(seconds=0.2)
bench = restate.Service("Bench")


@bench.handler(
    invocation_retry_policy=restate.InvocationRetryPolicy(
        initial_interval=AGAIN, exponentiation_factor=1, max_attempts=5, on_max_attempts="kill"
    )
)
async def node(ctx: restate.Context, given: dict[str, Any]) -> None:
    """Run a node."""
    await nodes.run_async(**given)


@bench.handler()
async def dag(ctx: restate.Context, given: dict[str, Any]) -> None:
    """Run an instance."""
    calls = os.environ["BENCH_NODES"] == "calls"
    # As often as needed: a limit would count for all steps of a level together.
    options: restate.RunOptions[None] = restate.RunOptions(
        initial_retry_interval=AGAIN, max_retry_interval=AGAIN, retry_interval_factor=1.0
    )
    for level in Dag.of(given["workflow"]).levels():
        futures: list[Any] = []
        for one in level:
            work = {"instance": given["instance"], "node": one.id, "n": one.n, "call": one.call}
            if calls:
                futures.append(ctx.service_call(node, work))
            else:
                futures.append(ctx.run_typed(one.id, nodes.run_async, options, **work))
        for future in await restate.gather(*futures):
            await future


app = restate.app(services=[bench])
