"""`python -m benchmarks.capacity`: the tables of docs/capacity.md. `--page` puts them there.

`--count` counts anew what nodes use, for workloads.py. It takes a quiet machine: two figures are times.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from benchmarks.capacity import calibrate, limits, model, workloads
from benchmarks.capacity.workloads import Workload
from benchmarks.catalogue import OURS
from chalicelib.core import cost
from local.processes import ROOT

PAGE = ROOT / "docs/capacity.md"

LOADS = (1_000, 100_000, 1_000_000)  # nodes a minute
SECONDS = 120


def main(arguments: Sequence[str]) -> int:
    if "--count" in arguments:
        from benchmarks.capacity import count

        for title, use in count.use():
            print(f"{title}: {use}")
        return 0
    page = PAGE.read_text("utf-8")
    for table in (limits_table(), loads_table(), bill_table(), simulation_table(), calibration_table()):
        lines = list(table)
        print("", *lines, sep="\n", flush=True)
        page = replaced(page, lines)
    if "--page" in arguments:
        PAGE.write_text(page, "utf-8")
    return 0


def replaced(page: str, table: Sequence[str]) -> str:
    """The page with this table instead of the one that has the same head."""
    before, head, rest = page.partition(f"{table[0]}\n")
    assert head, table[0]
    lines = rest.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + "\n".join([*table, *lines[end:]]) + "\n"


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*cells: str) -> Iterator[str]:
    yield row(*cells)
    yield "|" + "---|" * len(cells)


def limits_table() -> Iterator[str]:
    """The nodes a minute at which each limit is reached."""
    yield from head("nodes a minute, up to which there is room", *(load.title for load in workloads.ALL))
    for limit in sorted(limits.LIMITS, key=lambda limit: min(limit.room(load) for load in workloads.ALL)):
        rooms = (_rounded(limit.room(load) * 60) for load in workloads.ALL)
        yield row(limit.title + (" *" if limit.ours else ""), *rooms)


def loads_table() -> Iterator[str]:
    """The limits that each load exceeds."""
    yield from head("nodes a minute", "workload", "workers at once", "reached after", "too much for")
    for minute in LOADS:
        for load in workloads.ALL:
            found = limits.bites(load, minute / 60)
            at_once = minute / 60 / limits.workers(load, 1)
            ramp = f"{limits.ramp_seconds(load, minute / 60):.0f} s"
            names = "; ".join(limit.title for limit in found) or "nothing"
            yield row(f"{minute:,}", load.title, f"{at_once:,.0f}", ramp, names)


def bill_table() -> Iterator[str]:
    """US$ per million nodes, with the time in which handlers wait in a column of its own."""
    yield from head(
        "US$ per million nodes", "SQS", "Redis", "Lambda, the engine's time", "Lambda, the handlers' waiting"
    )
    for load in workloads.ALL:
        use, batches = load.use, load.use.messages / limits.BATCH
        own = 1e6 * (use.worker_seconds / limits.PROCESSOR + use.schedulers * limits.SCHEDULER_SECONDS) * 0.5
        requests = 1e6 * (batches + 2 * use.schedulers)
        waits = 1e6 * max(stage.seconds for stage in load.stages) * batches * 0.5
        figures = (
            1e6 * use.sqs_requests * cost.SQS_REQUEST,
            1e6 * use.units * cost.ECPU,
            own * cost.LAMBDA_GB_SECOND + requests * cost.LAMBDA_REQUEST,
            waits * cost.LAMBDA_GB_SECOND,
        )
        yield row(load.title, *(f"{figure:.2f}" for figure in figures))


def simulation_table() -> Iterator[str]:
    """The model's outcome with the template's defaults, from an idle start, for SECONDS of each load."""
    yield from head(
        "nodes a minute", "workload", "p50 s", "p95 s", "longest backlog", "workers at once", "all ended after"
    )
    for minute in LOADS:
        for load in workloads.ALL:
            yield simulation_row(load, minute)


def simulation_row(load: Workload, minute: int) -> str:
    rate = minute / 60 / load.nodes
    count = max(1, int(rate * SECONDS))
    outcome = model.Model(model.AWS, load).run([number / rate for number in range(count)])
    latencies = (f"{outcome.percentile(percent):.2f}" for percent in (50, 95))
    ended = f"{outcome.ended:,.0f} s"
    return row(f"{minute:,}", load.title, *latencies, f"{outcome.backlog:,}", outcome.concurrency, ended)


def calibration_table() -> Iterator[str]:
    yield from head("on this machine", "", "predicted", "measured", "predicted / measured")
    results = calibrate.measured()
    for known in calibrate.KNOWN:
        for unit, predicted in calibrate.predicted(known).items():
            spread = results.spread(OURS, known.name, unit)
            assert spread is not None, f"{known.name} is not in {calibrate.REPORT.name}"
            ratio = predicted / spread.median
            yield row(results.workloads[known.name], unit, _rounded(predicted), _rounded(spread.median), f"{ratio:.2f}")


def _rounded(number: float) -> str:
    """The number with two significant digits: the model is not more precise."""
    if number < 10:
        return f"{number:.2f}"
    digits = len(str(int(number))) - 2
    return f"{round(number, -digits):,.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
