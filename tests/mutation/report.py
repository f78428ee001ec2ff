"""The result: the share of noticed mutants by package, and the survivors."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path

from tests.mutation.mutant import PACKAGES, Mutant, read

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
# The share that must be noticed, in percent.
GOAL = {"core": 90, "store": 90, "lua": 90, "scheduler": 90, "secrets": 90}


def equivalents() -> list[dict[str, str]]:
    """Each has `file`, a part of the line (`line`), a part of the new line (`new`; absent: any), and `reason`."""
    return list(tomllib.loads(EQUIVALENT.read_text("utf-8")).get("mutant", ()))


def is_equivalent(mutant: Mutant, known: list[dict[str, str]]) -> bool:
    removed, added = mutant.diff(read(mutant.file))
    return any(one["file"] == mutant.file and one["line"] in removed and one.get("new", "") in added for one in known)


def show(results: Path) -> int:
    """Print it. Returns 1 if a package is below its goal."""
    noticed: Counter[str] = Counter()
    survived: dict[str, list[tuple[Mutant, str]]] = {package: [] for package in PACKAGES}
    left_out: Counter[str] = Counter()
    known = equivalents()
    for line in results.read_text("utf-8").splitlines():
        result = json.loads(line)
        outcome, by, _ = result.pop("outcome"), result.pop("by"), result.pop("seconds")
        mutant = Mutant(**result)
        if outcome == "invalid" or (outcome == "survived" and is_equivalent(mutant, known)):
            left_out[mutant.package] += 1
        elif outcome == "noticed":
            noticed[mutant.package] += 1
        else:
            survived[mutant.package].append((mutant, by))
    for mutants in survived.values():
        for mutant, by in sorted(mutants, key=lambda one: (one[0].file, one[0].offset)):
            text = read(mutant.file)
            removed, added = mutant.diff(text)
            print(f"{mutant.file}:{mutant.lines(text).start}{': ' + by if by else ''}")
            print("".join(f"  - {one}\n" for one in removed.split("\n")), end="")
            print("".join(f"  + {one}\n" for one in added.split("\n")), end="")
    print("| package | mutants | noticed | left out |\n|---|---|---|---|")
    below = False
    for package in PACKAGES:
        total = noticed[package] + len(survived[package])
        if total:
            share = 100 * noticed[package] / total
            below = below or share < GOAL.get(package, 0)
            print(f"| {package} | {total} | {share:.1f} % | {left_out[package]} |")
    return 1 if below else 0
