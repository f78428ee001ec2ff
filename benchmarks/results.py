"""The results, from runs to medians, spreads and ratios. report.json holds a `Results`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.catalogue import OURS
from benchmarks.workloads import Workload

# Of these units more is better; of all others less is.
RATES = frozenset({"nodes/s"})


@dataclass(frozen=True, slots=True)
class Spread:
    """The spread of a figure over several rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Run:
    """One engine, workload and round. `failures`: of earlier attempts. `values` is empty if no attempt succeeded."""

    round: int
    engine: str
    workload: str
    values: dict[str, float]
    failures: list[str]


@dataclass(slots=True)
class Results:
    """Everything that is in a report."""

    date: str
    machine: str
    rounds: int
    cap_seconds: float
    workloads: dict[str, str]
    absent: list[str] = field(default_factory=list)  # engines that are not installed
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    floor: list[dict[str, float]] = field(default_factory=list)
    calibration: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, made: dict[str, Any]) -> Results:
        return cls(**{**made, "runs": [Run(**run) for run in made["runs"]]})

    def measures(self) -> list[tuple[str, str]]:
        """Workload and unit, in the order of their first run."""
        found = [(run.workload, unit) for run in self.runs for unit in run.values]
        order = list(self.workloads)
        return sorted(dict.fromkeys(found), key=lambda measure: order.index(measure[0]))

    def by_round(self, engine: str, workload: str, unit: str) -> dict[int, float]:
        return {
            run.round: run.values[unit]
            for run in self.runs
            if run.engine == engine and run.workload == workload and unit in run.values
        }

    def spread(self, engine: str, workload: str, unit: str) -> Spread | None:
        values = self.by_round(engine, workload, unit)
        return Spread.of(list(values.values())) if values else None

    def ratio(self, peer: str, workload: str, unit: str) -> Spread | None:
        """How many times better dag-service is, round by round; below 1 the peer is better."""
        ours, theirs = self.by_round(OURS, workload, unit), self.by_round(peer, workload, unit)
        shared = ours.keys() & theirs.keys()
        if not shared:
            return None
        if unit in RATES:
            return Spread.of([ours[at] / theirs[at] for at in shared])
        return Spread.of([theirs[at] / ours[at] for at in shared])

    def good(self, engine: str, workload: str) -> int:
        """The number of runs with values."""
        return sum(run.engine == engine and run.workload == workload and bool(run.values) for run in self.runs)

    def failures(self, engine: str, workload: str) -> list[str]:
        return [text for run in self.runs if (run.engine, run.workload) == (engine, workload) for text in run.failures]


def values(workload: Workload, nodes: int, seconds: float, latencies: Sequence[float]) -> dict[str, float]:
    """The figures of a run, by unit."""
    per_unit = {
        "ms a hop": seconds * 1000 / nodes,
        "nodes/s": nodes * workload.instances / seconds,
        "s": seconds,
        "ms": seconds * 1000,
    }
    if workload.beside:
        return {f"p{percent} ms": percentile(latencies, percent) * 1000 for percent in (50, 99)}
    found = {workload.unit: per_unit[workload.unit]}
    if workload.instances > 1:
        found |= {"p50 ms": percentile(latencies, 50) * 1000, "p95 ms": percentile(latencies, 95) * 1000}
    return found


def percentile(numbers: Iterable[float], percent: float) -> float:
    """The percentile by the nearest-rank method."""
    ordered = sorted(numbers)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
