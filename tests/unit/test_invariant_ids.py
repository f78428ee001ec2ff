"""docs/invariants.md defines the ids by which checks report. Code and docs use only those, and each has a check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "invariants.md").read_text("utf-8")
DEFINED = re.findall(r"^\| ([A-Z]\d) \|", PAGE, re.M)
# S3 is also Amazon's.
USED = re.compile(r"(?<![\w/-])([SLPC]\d)\b(?! bucket| or IAM)")
CHECKS = re.findall(r"^\| [^|]+ \| ((?:[A-Z]\d ?)+) \| (.*) \|$", PAGE, re.M)


def used(path: Path) -> set[str]:
    """Return the ids in a file's messages, comments and docstrings."""
    return set(USED.findall(path.read_text("utf-8")))


def test_every_id_is_defined_once() -> None:
    assert DEFINED == ["S1", "S2", "S3", "S4", "S5", "L1", "L2", "P1", "C1"]


@pytest.mark.parametrize("folder", ["tests/simulation", "tests/chaos", "tests/contract", "docs"])
def test_what_is_reported_is_defined(folder: str) -> None:
    for path in (*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")):
        assert used(path) <= set(DEFINED), path


@pytest.mark.parametrize(("ids", "places"), CHECKS)
def test_a_check_names_what_it_holds(ids: str, places: str) -> None:
    text = "".join((ROOT / place).read_text("utf-8") for place in re.findall(r"`([^`]+)`", places))
    for id in ids.split():
        assert id in text, f"{places} does not name {id}"


def test_every_invariant_has_a_check() -> None:
    assert {id for ids, _ in CHECKS for id in ids.split()} == set(DEFINED)
