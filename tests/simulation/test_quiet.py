"""A forecast is compared with the real engine, in virtual time: the same counts, and the same seconds."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from random import Random
from typing import Any

import pytest
import redis

from benchmarks.bill import chain
from chalicelib.core import forecast
from chalicelib.core.durations import durations
from chalicelib.core.plan import Plan
from chalicelib.core.rules import Delays, RunTotals
from examples.run import fan_out, layered
from tests.simulation.quiet import Quiet

DELAYS = Delays(redis=0.00051, aws=0.0103, queue=0.0161, scheduler=0.0737)


def drawn(seed: int) -> dict[str, Any]:
    """Draw up to 60 nodes, some of which nap, each for a different time."""
    rng = Random(seed)
    nodes: list[dict[str, Any]] = []
    for number in range(rng.choice([1, 5, 20, 60])):
        parents = rng.sample(range(number), min(number, rng.choice([0, 1, 1, 2, 3, 10])))
        node: dict[str, Any] = {"id": f"n{number}", "handler": "quick", "dependencies": [f"n{p}" for p in parents]}
        if rng.random() < (seed % 3) / 2:
            node |= {"handler": "nap", "config": {"seconds": rng.choice([0.01, 0.5, 5]) * (1 + rng.random())}}
        if rng.random() < 0.1 and parents:
            node["timeout_seconds"] = 840.0
        nodes.append(node)
    return {"name": f"drawn {seed}", "dag": {"nodes": nodes}}


def napping(workflow: dict[str, Any], seconds: float = 1.0, *, tied: bool = False) -> dict[str, Any]:
    """Its nodes nap, each for a different time. If they are tied, those of a batch end, and are committed, together."""
    rng = Random(1)
    nodes = [
        {**node, "handler": "nap", "config": {"seconds": seconds * (1 if tied else 0.1 + rng.random())}}
        for node in workflow["dag"]["nodes"]
    ]
    return {"name": f"{workflow['name']}, naps of {seconds} s{', tied' * tied}", "dag": {"nodes": nodes}}


def quick(workflow: dict[str, Any]) -> dict[str, Any]:
    return {**workflow, "dag": {"nodes": [{**node, "handler": "quick"} for node in workflow["dag"]["nodes"]]}}


def twice(width: int) -> dict[str, Any]:
    """Return two roots with this many children each."""
    nodes: list[dict[str, Any]] = [{"id": f"r{root}", "handler": "quick"} for root in range(2)]
    nodes += [
        {"id": f"r{root}_{number}", "handler": "quick", "dependencies": [f"r{root}"]}
        for root in range(2)
        for number in range(width)
    ]
    return {"name": f"2 x (1 -> {width})", "dag": {"nodes": nodes}}


SHAPES = [quick(chain(200)), quick(fan_out(100)), quick(fan_out(1000)), quick(layered())]
SHAPES += [napping(chain(50)), napping(fan_out(100)), napping(layered(5, 30))]
SHAPES += [napping(layered(4, 20, parents=1), tied=True), napping(fan_out(40), tied=True), twice(400), twice(1200)]
SHAPES += [napping(twice(40), 0.003), napping(layered(3, 100), 0.003)]
CASES = [(drawn(seed), seed) for seed in range(24)] + [(shape, seed) for shape in SHAPES for seed in (0, 7)]


@pytest.mark.parametrize(
    ("workflow", "seed"), CASES, ids=lambda value: value["name"] if isinstance(value, dict) else value
)
def test_as_forecast(valkey_url: str, workflow: dict[str, Any], seed: int) -> None:
    rng = Random(seed)
    workers = rng.choice([1, 2, 5, None])
    settings: dict[str, Any] = {
        "lease_seconds": 3600,
        "scheduling": rng.choice(["inline", "lambda"]),
        "hop_seconds": rng.choice([0, 3, 10]),
        "first_hop_seconds": rng.choice([0, 0.002, 0.02]),
    }
    with redis.Redis.from_url(valkey_url, db=9) as client:
        quiet = Quiet(client, DELAYS, workers=workers, **settings)
        given = {node["id"]: node["config"]["seconds"] for node in workflow["dag"]["nodes"] if "config" in node}
        quiet.run(workflow, {"nap": sum(given.values()) / len(given)} if given else {})
        client.flushdb()
    engine = replace(quiet.http.forecaster._engine, delays=DELAYS)
    plan = Plan.from_json(json.dumps(workflow).encode())
    expected = forecast.rehearse(plan, durations(plan, engine.instant, given), engine, workers)
    assert comparable(expected) == comparable(quiet.totals)


def comparable(totals: RunTotals) -> dict[str, Any]:
    """Leave out commands, which are estimated, not simulated."""
    found = asdict(totals) | {"redis_commands": 0}
    return {
        name: pytest.approx(value, abs=1e-6) if isinstance(value, float) else value for name, value in found.items()
    }
