"""A short chaos run in `make test`, with each kind of fault once. The long one is `make chaos`."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.chaos import plan
from tests.chaos.chaos import Chaos
from tests.chaos.faults import KINDS
from tests.chaos.ground import LEASE, running_ground

SEED = 1
OUTAGE = 2 * LEASE


def test_every_kind_of_fault_costs_nothing(tmp_path: Path) -> None:
    with running_ground(tmp_path, outage=OUTAGE) as ground:
        chaos = Chaos(ground)
        drawn = plan.rounds(SEED, lease=LEASE, rare=1, at_once=(5,))
        for number, one in enumerate(itertools.takewhile(lambda _: set(KINDS) - set(chaos.report.faults), drawn)):
            assert number < len(KINDS), "a deck has each kind once"
            chaos.run(one)
        chaos.check_all()
    assert set(chaos.report.faults) == set(KINDS)
    assert chaos.report.reruns > 0  # else nothing was hit
