"""`python -m benchmarks`: every engine on every workload, in alternating rounds. `make bench` installs them first.

--quick runs small workloads once and prints the page; otherwise OUT.md, OUT.svg and OUT.json are written.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from benchmarks import catalogue, floor, machine, plot, report, turn, workloads
from benchmarks.catalogue import Engine
from benchmarks.results import Results, Run, values
from benchmarks.workloads import Workload

CAP_SECONDS = 60.0
TRIES = 3  # an engine that loses a node now and then is measured by its other runs


class Runner:
    """Runs the rounds. A pair of engine and workload that exceeded the cap is left out of later rounds."""

    def __init__(self, engines: list[Engine], chosen: list[Workload], results: Results) -> None:
        self._engines, self._chosen, self._results = engines, chosen, results
        self._given_up: set[tuple[str, str]] = set()

    def round(self, number: int) -> None:
        """One turn for each engine. The order alternates, so that no engine is always first on a cold machine."""
        self._results.floor.append(floor.measure())
        for engine in self._engines[:: 1 if number % 2 else -1]:
            self._calibrate()
            self._turn(number, engine)
        self._calibrate()

    def _calibrate(self) -> None:
        self._results.calibration.append(machine.calibration())
        self._results.load.append(machine.load())

    def _turn(self, number: int, engine: Engine) -> None:
        """Run all workloads. A run over the cap leaves the engine in an unknown state, so the rest gets a new start."""
        left = [
            workload
            for workload in self._chosen
            if engine.runs(workload) and (engine.name, workload.name) not in self._given_up
        ]
        while left:
            started = False
            try:
                with turn.running(engine) as running:
                    started = True
                    self._results.versions[engine.name] = running.versions
                    while left:
                        self._run(number, engine, left[0], running)
                        del left[0]
            except turn.OverTime as error:
                if not started:
                    for workload in left:
                        self._note(number, engine, workload, {}, [f"it did not start: {error}"])
                    return
                self._note(number, engine, left[0], {}, [str(error)])
                self._given_up.add((engine.name, left[0].name))
                del left[0]

    def _run(self, number: int, engine: Engine, workload: Workload, running: turn.Turn) -> None:
        """Raises OverTime."""
        failures: list[str] = []
        found: dict[str, float] = {}
        nodes = len(workload.make()["dag"]["nodes"])
        while not found and len(failures) < TRIES:
            try:
                answer = running.run(workload, self._results.cap_seconds)
                latencies = answer["beside"] if workload.beside else list(answer["latencies"].values())
                found = values(workload, nodes, answer["seconds"], latencies)
            except turn.Lost as error:
                failures.append(str(error))
        self._note(number, engine, workload, found, failures)

    def _note(self, number: int, engine: Engine, workload: Workload, found: dict[str, float], why: list[str]) -> None:
        self._results.runs.append(Run(number, engine.name, workload.name, found, why))
        told = [*(f"{value:,.2f} {unit}" for unit, value in found.items()), *why]
        print(f"round {number}, {engine.title}, {workload.title}: {', '.join(told)}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", help="comma-separated, of " + ", ".join(engine.name for engine in catalogue.ALL))
    parser.add_argument("--workloads", help="comma-separated, of " + ", ".join(each.name for each in workloads.ALL))
    parser.add_argument("--cap", type=float, default=CAP_SECONDS, help="seconds that a run may last")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, help="default benchmarks/report; with --quick, nothing is written")
    options = parser.parse_args()

    engines = _chosen(catalogue.ALL, options.engines, parser)
    chosen = _chosen(workloads.QUICK if options.quick else workloads.ALL, options.workloads, parser)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that processes are ended and their files removed
    rounds = 1 if options.quick else options.rounds
    out = options.out or (None if options.quick else Path("benchmarks/report"))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    titles = {workload.name: workload.title for workload in chosen}
    results = Results(time.strftime("%Y-%m-%d"), machine.describe(), rounds, options.cap, titles)
    results.absent = [engine.title for engine in engines if not engine.is_installed]
    runner = Runner([engine for engine in engines if engine.is_installed], chosen, results)
    for number in range(1, rounds + 1):
        runner.round(number)
        results.rounds = number
        if out is not None:  # after each round, so that an interruption loses little
            write(results, out)
    print(report.markdown(results))


def write(results: Results, out: Path) -> None:
    """Write the page, its picture, and the data of both."""
    out.with_suffix(".json").write_text(json.dumps(results.as_json(), indent=1) + "\n", "utf-8")
    out.with_suffix(".svg").write_text(plot.svg(results), "utf-8")
    out.with_suffix(".md").write_text(report.markdown(results, out.with_suffix(".svg").name), "utf-8")


def _chosen(every: tuple, names: str | None, parser: argparse.ArgumentParser) -> list:  # type: ignore[type-arg]
    """The named entries, in the usual order."""
    if names is None:
        return list(every)
    wanted = names.split(",")
    known = [each.name for each in every]
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"there is no {unknown[0]}: choose among {', '.join(known)}")
    return [each for each in every if each.name in wanted]


if __name__ == "__main__":
    main()
