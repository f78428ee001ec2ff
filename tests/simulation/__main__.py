"""`python -m tests.simulation --seeds 1000` runs seeds, replays one, and shrinks failures. See `make simulate`."""

from __future__ import annotations

import argparse
import functools
import logging
import multiprocessing
import os
import shlex
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import redis

from tests.simulation.scenario import Scenario
from tests.simulation.shrink import shrink
from tests.simulation.simulation import Report, Simulation
from tests.support.servers import running_valkey


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run (default %(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many (default %(default)s)")
    parser.add_argument("--no-shrink", action="store_true", help="leave a failure as large as it is")
    parser.add_argument("--replay", metavar="SCENARIO", help="run one, step by step: a seed, or what a failure printed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as port:
        with redis.Redis(port=port) as client:
            client.config_set("appendonly", "no")  # each run empties it, so nothing need be kept
        if arguments.replay:
            return replay(port, Scenario.from_text(arguments.replay))
        return run_all(port, arguments)


def run(port: int, scenario: Scenario, *, trace: bool = False) -> Report:
    """Run one scenario on the database of this process."""
    database = (multiprocessing.current_process()._identity or (0,))[0] % 16
    with redis.Redis(port=port, db=database) as client:
        return Simulation(client, scenario, trace=trace).run()


def run_seed(port: int, seed: int) -> Report:
    logging.disable()
    return run(port, Scenario(seed))


def replay(port: int, scenario: Scenario) -> int:
    logging.disable()
    report = run(port, scenario, trace=True)
    print("\n".join(report.trace))
    print("faults:", ", ".join(report.happened) or "none")
    print(report.error or "all invariants hold")
    return 1 if report.error else 0


def run_all(port: int, arguments: argparse.Namespace) -> int:
    begun, done, failures = time.monotonic(), 0, 0
    faults: Counter[str] = Counter()
    transitions = nodes = sweeps = 0
    recovery = 0.0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with multiprocessing.Pool(arguments.jobs) as pool:
        for report in pool.imap_unordered(functools.partial(run_seed, port), seeds, chunksize=5):
            done += 1
            faults.update(name.split("#")[0] for name in report.happened)
            transitions, nodes = transitions + report.transitions, nodes + report.nodes
            recovery, sweeps = max(recovery, report.recovery), max(sweeps, report.sweeps)
            if report.error:
                failures += 1
                show(port, report, small=not arguments.no_shrink)
                if failures >= arguments.failures:
                    pool.terminate()
                    break
    print(f"{done} seeds, {failures} failed, {time.monotonic() - begun:.0f} s")
    print(f"{nodes} nodes, {transitions} transitions, {faults.total()} faults:")
    print("  " + ", ".join(f"{kind} {count}" for kind, count in faults.most_common()))
    print(f"longest from the last fault to the end: {recovery:.0f} s of virtual time, {sweeps} sweeps")
    return 1 if failures else 0


def show(port: int, report: Report, *, small: bool) -> None:
    print(f"seed {report.scenario.seed}: {report.error}")
    if small:
        logging.disable()
        report = shrink(report, functools.partial(run, port))
        print(f"shrunk to {len(report.happened)} faults: {report.error}")
    print(f"  python -m tests.simulation --replay {shlex.quote(str(report.scenario))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
