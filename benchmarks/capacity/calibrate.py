"""The calibration of the model: its predictions for this machine, by the speeds of its parts, and what was measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.capacity.model import Model, Place
from benchmarks.capacity.workloads import Stage, Use, Workload
from benchmarks.results import Results

REPORT = Path(__file__).parents[1] / "report.json"

# What each part takes alone: benchmarks/report.md, "The floor" (a message hop, SQS requests of ten, a round trip), and
# benchmarks/README.md, "Speed" (triggers and status over HTTP; a submission is validated at 30 us a node).
SUBMIT_NODE, TRIGGER, STATUS = 30e-6, 1 / 915, 1 / 1690
HERE = Place(
    workers=2,
    pollers=2,
    pollers_per_second=0,
    start=0.0042,
    hop=0.0,
    round_trip=1 / 12_933,
    cores=2,
    sqs_request=10 / 5_479,
    trigger=TRIGGER + STATUS,
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A workload of the report, with a node's seconds and Redis's share of them by `python -m benchmarks.where`."""

    name: str
    unit: str
    stages: tuple[Stage, ...]
    node_seconds: float
    redis_share: float
    instances: int = 1

    def workload(self) -> Workload:
        script = self.node_seconds * self.redis_share
        use = Use(
            sqs_requests=0,
            messages=0,
            schedulers=0,
            redis_calls=0,
            redis_commands=0,
            script_seconds=script,
            worker_seconds=self.node_seconds - script,
        )
        return Workload(title=self.name, stages=self.stages, use=use)


ONE = Stage(messages=1, nodes=1)
KNOWN = (
    Known(name="chain", unit="ms a hop", stages=(Stage(messages=1, nodes=200),), node_seconds=171e-6, redis_share=0.33),
    Known(
        name="fan",
        unit="nodes/s",
        stages=(ONE, Stage(messages=10, nodes=100), ONE),
        node_seconds=46e-6,
        redis_share=0.22,
    ),
    Known(
        name="layered", unit="nodes/s", stages=(Stage(messages=1, nodes=1000),), node_seconds=36e-6, redis_share=0.25
    ),
    Known(
        name="many",
        unit="nodes/s",
        stages=(Stage(messages=1, nodes=10),),
        node_seconds=125e-6,
        redis_share=0.33,
        instances=200,
    ),
)


def predicted(known: Known) -> dict[str, float]:
    """The predictions by unit, as in the report: with the submission for one instance, without it for many."""
    load = known.workload()
    outcome = Model(HERE, load).run([0.0] * known.instances)
    nodes = load.nodes * known.instances
    seconds = outcome.ended + (SUBMIT_NODE * load.nodes if known.instances == 1 else 0)
    if known.unit == "ms a hop":
        return {known.unit: seconds / nodes * 1000}
    found = {"nodes/s": nodes / seconds}
    if known.instances > 1:
        found |= {f"p{percent} ms": outcome.percentile(percent) * 1000 for percent in (50, 95)}
    return found


def measured() -> Results:
    return Results.of_json(json.loads(REPORT.read_text("utf-8")))
