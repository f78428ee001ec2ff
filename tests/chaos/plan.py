"""The rounds of a seed: the load, and the faults with their times. A round can be replayed alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos import faults, workload

# Seconds in which the instances of a round are triggered and its faults begin.
SPAN = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An instance to trigger: its workflow, its params, and when."""

    workflow: int
    base: int
    at: float
    key: str


@dataclass(slots=True, kw_only=True)
class Round:
    number: int
    workflows: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)


def rounds(
    seed: int, *, lease: float, rare: int, only: Sequence[str] = (), at_once: Sequence[int] = (1, 2, 2, 3)
) -> Iterator[Round]:
    """Draw rounds 1, 2, ... of a seed. `only` limits the kinds of faults; their number is drawn from `at_once`."""
    kinds = faults.deck(Random(f"{seed}/faults"), rare=rare)
    for number in itertools.count(1):
        rng = Random(f"{seed}/{number}")
        made = Round(number=number)
        made.workflows = [
            workload.workflow(rng, f"chaos/{seed}/{number}/{which}", lease=lease) for which in range(rng.randint(3, 5))
        ]
        for which in range(rng.randint(10, 20)):
            made.jobs.append(
                Job(
                    workflow=rng.randrange(len(made.workflows)),
                    base=rng.randrange(1000),
                    at=rng.uniform(0, SPAN),
                    key=f"{seed}/{number}/{which}",
                )
            )
        drawn = list(itertools.islice(kinds, rng.choice(at_once)))
        chosen = [rng.choice(only) for _ in drawn] if only else drawn
        made.faults = sorted((rng.uniform(0.2, SPAN), name) for name in chosen)
        yield made
