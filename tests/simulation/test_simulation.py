"""Hundreds of seeds hold, a seed is the same run each time, and a broken line is noticed. See `make simulate`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local import valkey
from local.processes import ROOT, Missing
from tests.simulation.mutants import MUTANTS, seeds_to_notice
from tests.support.servers import unavailable

SEEDS = 300


@pytest.fixture(autouse=True)
def server() -> None:
    """Start a server for the runs, since they empty it again and again."""
    try:
        valkey.find_server()
    except Missing as error:
        unavailable(str(error))


def simulate(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_seeds_hold_all_invariants() -> None:
    assert f"{SEEDS} seeds, 0 failed" in simulate("--seeds", str(SEEDS))


def test_a_seed_is_the_same_run_each_time() -> None:
    first, second = (simulate("--replay", "18") for _ in range(2))
    assert first == second and "FAULT" in first and "all invariants hold" in first


def test_the_lines_to_be_broken_are_there() -> None:
    text = {mutant.file: (ROOT / mutant.file).read_text("utf-8") for mutant in MUTANTS}
    assert [mutant.what for mutant in MUTANTS if text[mutant.file].count(mutant.old) != 1] == []


@pytest.mark.parametrize("what", ["claim: no attempt check", "sweep: look at nothing"])
def test_a_broken_line_is_noticed(what: str) -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.what == what)
    seeds, error = seeds_to_notice(mutant, 300)
    assert error, f"not noticed in {seeds} seeds"
