"""`python -m tests.chaos --rounds 100`: rounds of load and faults on the whole service. See `make chaos`."""

from __future__ import annotations

import argparse
import itertools
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.chaos import faults, plan
from tests.chaos.chaos import Chaos
from tests.chaos.ground import LEASE, running_ground


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of loads and faults")
    parser.add_argument("--first", type=int, default=1, help="the first round (default %(default)s)")
    parser.add_argument("--only", action="append", choices=sorted(faults.KINDS), help="these kinds of faults alone")
    parser.add_argument("--outage", type=float, default=30, help="seconds without a queue (default %(default)g)")
    parser.add_argument("--rare", type=int, default=8, help="any other fault is so many times likelier than an outage")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dag-service-chaos-"))
    drawn = plan.rounds(arguments.seed, lease=LEASE, only=arguments.only or (), rare=arguments.rare)
    begun, failed = time.monotonic(), True
    with running_ground(folder, outage=arguments.outage) as ground:
        chaos, number = Chaos(ground), arguments.first
        try:
            for one in itertools.islice(drawn, arguments.first - 1, arguments.first - 1 + arguments.rounds):
                number, started = one.number, time.monotonic()
                recovery = chaos.run(one)
                print(
                    f"round {number}: {', '.join(kind for _, kind in one.faults)}; {time.monotonic() - started:.1f} s, "
                    f"recovered in {recovery:.1f} s",
                    flush=True,
                )
            chaos.check_all()
            failed = False
        except Exception:
            traceback.print_exc()
            print(f"round {number} failed: {one.faults}. The stack's log and data: {folder}")
            print(f"  {replay(arguments, number)}", flush=True)
    print(f"seed {arguments.seed}: {chaos.report}; {time.monotonic() - begun:.0f} s")
    if not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


def replay(arguments: argparse.Namespace, number: int) -> str:
    only = "".join(f" --only {kind!r}" for kind in arguments.only or ())
    return (
        f"python -m tests.chaos --seed {arguments.seed} --first {number} --rounds 1 "
        f"--outage {arguments.outage:g} --rare {arguments.rare}{only}"
    )


if __name__ == "__main__":
    sys.exit(main())
