"""The benchmarks' nodes as handlers of dag-service: `HANDLER_MODULES=benchmarks.handlers`."""

from __future__ import annotations

from benchmarks import nodes
from chalicelib.handlers import Config, Context, handler


class Nothing(Config):
    pass


class Fibonacci(Config):
    n: int


class Call(Config):
    call: str


@handler("bench_call", waits=True)
def call(config: Call, context: Context) -> None:
    """Calls the service."""
    nodes.run(context.instance_id, context.node_id, call=config.call)


@handler("bench_noop", instant=True)
def noop(config: Nothing, context: Context) -> None:
    """Does nothing."""
    nodes.run(context.instance_id, context.node_id)


@handler("bench_fibonacci")
def fibonacci(config: Fibonacci, context: Context) -> None:
    """Computes a Fibonacci number in the plainest way."""
    nodes.run(context.instance_id, context.node_id, config.n)
