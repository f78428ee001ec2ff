"""`python -m tests.mutation`: see the package."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.mutation import lua, python, report
from tests.mutation.baseline import FILE
from tests.mutation.mutant import PACKAGES, ROOT, Mutant, files, read

LUA_TESTS = ["tests/mutation/short_runs.py", "tests/contract"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="so many of each package (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default %(default)s)")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--package", nargs="*", default=list(PACKAGES), choices=PACKAGES, help="of these only")
    parser.add_argument("--only", default="", help="of files whose path has this in it")
    parser.add_argument("--lines", default="", help="FIRST-LAST: of these lines only")
    parser.add_argument("--again", action="store_true", help="only those that survived the last time")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    parser.add_argument("--tests", nargs="*", help="ask these files or folders only")
    parser.add_argument("--minutes", type=float, default=0, help="end after so long, whatever is left (default: never)")
    arguments = parser.parse_args()
    folder = FILE.parent
    folder.mkdir(parents=True, exist_ok=True)
    work, results = folder / "work.json", folder / "results.jsonl"
    tests = arguments.tests or (LUA_TESTS if arguments.package == ["lua"] else [])
    baseline = [sys.executable, "-m", "tests.mutation.runner", "baseline", *tests]
    if subprocess.run(baseline, cwd=ROOT).returncode not in (0, 5):
        return 2
    mutants = survivors(results, arguments) if arguments.again else drawn(arguments)
    print(f"{len(mutants)} mutants", flush=True)
    work.write_text(json.dumps([asdict(mutant) for mutant in mutants]), "utf-8")
    results.write_text("", "utf-8")
    until = time.time() + (arguments.minutes * 60 or 1e9)
    command = [sys.executable, "-m", "tests.mutation.runner", "forks", str(work), str(results), str(until), *tests]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(arguments.jobs)]
    codes = [one.wait() for one in running]
    left = json.loads(work.read_text("utf-8"))
    if left:
        print(f"{len(left)} mutants were not tried: {'time is over' if not any(codes) else 'the runner died'}")
    return max(report.show(results), 2 * any(code not in (0, 5) for code in codes))


def survivors(results: Path, arguments: argparse.Namespace) -> list[Mutant]:
    lines = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    names = Mutant.__slots__
    found = [Mutant(**{name: one[name] for name in names}) for one in lines if one["outcome"] == "survived"]
    return [mutant for mutant in found if _is_wanted(mutant, arguments)]


def drawn(arguments: argparse.Namespace) -> list[Mutant]:
    """Draw mutants of all packages in turn, the same ones for the same seed and code."""
    chance = random.Random(arguments.seed)
    found = []
    for package in arguments.package:
        makers: list[Callable[[], Mutant | None]] = []
        for file in files(package):
            if arguments.only in file:
                makers += of_file(package, file)
        chance.shuffle(makers)
        seen: dict[Mutant, None] = {}
        for make in makers:
            if len(seen) >= arguments.sample and not arguments.all:
                break
            mutant = make()
            if mutant and _is_wanted(mutant, arguments):
                seen[mutant] = None
        found += list(seen)
    chance.shuffle(found)
    return found


def of_file(package: str, file: str) -> list[Callable[[], Mutant | None]]:
    if package == "lua":
        return [lambda one=one: one for one in lua.mutants(package, file, read(file))]  # type: ignore[misc]
    return python.mutants(package, file, read(file))


def _is_wanted(mutant: Mutant, arguments: argparse.Namespace) -> bool:
    first, _, last = arguments.lines.partition("-")
    lines = mutant.lines(read(mutant.file))
    within = not first or (int(first) <= lines.stop - 1 and lines.start <= int(last or first))
    return within and arguments.only in mutant.file and mutant.package in arguments.package


if __name__ == "__main__":
    sys.exit(main())
