"""The workloads of every engine: a workflow in JSON, the number of instances at once, and the unit of the figure.

`bench_noop`, `bench_fibonacci` and `bench_call` are the only handlers; in every engine they do what nodes.py does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks import shapes

Workflow = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`unit`: of a run's figure: `ms a hop`, `nodes/s`, `ms` or `s`; several instances also have latencies.

    `waits`: its nodes call a service. `beside`: a small workflow that runs again and again meanwhile, and whose
    latencies are the figures.
    """

    name: str
    title: str
    unit: str
    make: Callable[[], Workflow]
    instances: int = 1
    waits: bool = False
    beside: Callable[[], Workflow] | None = None


def node(id: str, parents: Iterable[str] = (), fibonacci: int | None = None) -> dict[str, Any]:
    """A no-op, or a node that computes the Fibonacci number of `fibonacci`."""
    made: dict[str, Any] = {"id": id, "handler": "bench_noop", "dependencies": list(parents)}
    if fibonacci is not None:
        made |= {"handler": "bench_fibonacci", "config": {"n": fibonacci}}
    return made


def calling(id: str, parents: Iterable[str], call: str) -> dict[str, Any]:
    """A node that calls the service. Further attempts are some 0.2 s later: dag-service draws up to twice that."""
    policy = {"max_attempts": 5, "initial_backoff_seconds": 0.4, "backoff_multiplier": 1}
    made = node(id, parents)
    return made | {"handler": "bench_call", "config": {"call": call}, "retry_policy": policy}


def workflow(name: str, nodes: list[dict[str, Any]]) -> Workflow:
    return {"name": name, "dag": {"nodes": nodes}}


def chain(length: int, fibonacci: int | None = None) -> Workflow:
    """`length` nodes, one after the other."""
    ids = [f"n{number}" for number in range(length)]
    parents = [[], *([id] for id in ids)]
    return workflow(f"chain of {length}", [node(id, parents[at], fibonacci) for at, id in enumerate(ids)])


def fan(width: int) -> Workflow:
    """1 -> width -> 1."""
    middle = [f"n{number}" for number in range(width)]
    nodes = [node("first"), *(node(id, ["first"]) for id in middle), node("last", middle)]
    return workflow(f"1 -> {width} -> 1", nodes)


def calls(width: int, seconds: float) -> Workflow:
    """1 -> width -> 1, and each of those in the middle calls."""
    middle = [f"n{number}" for number in range(width)]
    nodes = [node("first"), *(calling(id, ["first"], f"{seconds}") for id in middle), node("last", middle)]
    return workflow(f"1 -> {width} calls -> 1", nodes)


def sequence(kind: str = "") -> Workflow:
    """Five calls in sequence, of 50 to 500 ms."""
    seconds = [random.Random(f"sequence/{at}").uniform(0.05, 0.5) for at in range(5)]  # no secret
    nodes = [calling(f"n{at}", [f"n{at - 1}"] if at else [], f"{kind}{each:.3f}") for at, each in enumerate(seconds)]
    return workflow("five calls", nodes)


def layered(layers: int, width: int, parents: int) -> Workflow:
    """Layers in which every node has `parents` parents in the layer before."""
    nodes = []
    for layer in range(layers):
        for place in range(width):
            above = [f"l{layer - 1}_{(place * 7 + step * 11) % width}" for step in range(parents)] if layer else []
            nodes.append(node(f"l{layer}_{place}", above))
    return workflow(f"{layers} layers of {width}", nodes)


def montage(tasks: int) -> Workflow:
    """The shape of a real workflow: mosaics of the sky. Its tasks do nothing here."""
    parents = shapes.load(f"montage_{tasks}")
    nodes = [node(f"t{at}", (f"t{parent}" for parent in above)) for at, above in enumerate(parents)]
    return workflow(f"Montage, {len(nodes)} tasks", nodes)


ALL = (
    Workload(name="chain", title="chain of 200 no-ops", unit="ms a hop", make=lambda: chain(200)),
    Workload(name="fan", title="1 → 1,000 → 1", unit="nodes/s", make=lambda: fan(1000)),
    Workload(name="layered", title="20 layers of 50, 3 parents each", unit="nodes/s", make=lambda: layered(20, 50, 3)),
    Workload(
        name="many", title="200 instances of 1 → 8 → 1 at once", unit="nodes/s", make=lambda: fan(8), instances=200
    ),
    Workload(name="alone", title="a new workflow of 1 → 8 → 1, with its submission", unit="ms", make=lambda: fan(8)),
    Workload(name="fib10", title="40 times fibonacci(10) in sequence", unit="s", make=lambda: chain(40, 10)),
    Workload(name="fib33", title="10 times fibonacci(33) in sequence", unit="s", make=lambda: chain(10, 33)),
    Workload(name="montage1k", title="Montage, 994 tasks", unit="nodes/s", make=lambda: montage(1000)),
    Workload(name="montage10k", title="Montage, 9,976 tasks", unit="nodes/s", make=lambda: montage(10000)),
    Workload(name="calls200", title="1 → 200 calls of 0.5 s → 1", unit="s", make=lambda: calls(200, 0.5), waits=True),
    Workload(
        name="calls1000", title="1 → 1,000 calls of 0.5 s → 1", unit="s", make=lambda: calls(1000, 0.5), waits=True
    ),
    Workload(
        name="sequences",
        title="100 instances of five calls of 50 to 500 ms in sequence",
        unit="s",
        make=sequence,
        instances=100,
        waits=True,
    ),
    Workload(
        name="failing",
        title="the same; 2 % fail at first, and are tried again after 0.2 s",
        unit="s",
        make=lambda: sequence("rarely-"),
        instances=100,
        waits=True,
    ),
    Workload(
        name="beside",
        title="two no-ops beside 1,000 calls of 0.5 s",
        unit="ms",
        make=lambda: calls(1000, 0.5),
        waits=True,
        beside=lambda: chain(2),
    ),
)

QUICK = (
    Workload(name="chain", title="chain of 20 no-ops", unit="ms a hop", make=lambda: chain(20)),
    Workload(name="fan", title="1 → 50 → 1", unit="nodes/s", make=lambda: fan(50)),
    Workload(name="layered", title="4 layers of 10, 3 parents each", unit="nodes/s", make=lambda: layered(4, 10, 3)),
    Workload(name="many", title="10 instances of 1 → 8 → 1 at once", unit="nodes/s", make=lambda: fan(8), instances=10),
    Workload(name="fib10", title="4 times fibonacci(10) in sequence", unit="s", make=lambda: chain(4, 10)),
    Workload(name="calls", title="1 → 20 calls of 0.1 s → 1", unit="s", make=lambda: calls(20, 0.1), waits=True),
    Workload(
        name="failing",
        title="10 of five calls in sequence",
        unit="s",
        make=lambda: sequence("rarely-"),
        instances=10,
        waits=True,
    ),
    Workload(
        name="beside",
        title="two no-ops beside 50 calls",
        unit="ms",
        make=lambda: calls(50, 0.3),
        waits=True,
        beside=lambda: chain(2),
    ),
)

WARM = (
    Workload(name="warm", title="chain of 10", unit="s", make=lambda: chain(10)),
    Workload(name="warm", title="4 instances of 1 → 20 → 1", unit="s", make=lambda: fan(20), instances=4),
    Workload(name="warm", title="1 → 20 calls", unit="s", make=lambda: calls(20, 0.01), waits=True),
)
