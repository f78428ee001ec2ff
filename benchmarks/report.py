"""The report as a page of Markdown."""

from __future__ import annotations

from benchmarks import catalogue
from benchmarks.catalogue import OURS, Engine
from benchmarks.results import RATES, Results, Spread

METHOD = """\
One module defines the workloads as workflow JSON; each engine runs these very DAGs through an adapter of its own
(`benchmarks/engines/`), in its own virtual environment, warm. A run lasts from the submission to the client's knowing
of the end. A no-op is the same Python function everywhere; it writes one line to a trace, by which every run is
checked: each node ran once, and none before its parents had ended. Rounds alternate: every engine has its turn in
each, with fresh servers, while the others are not running."""


ABSENT = """\
- Airflow 3.3 installs, but its DAGs are Python files that it finds and parses by itself, and each task is a process of
  its own that reports to an HTTP server. There is no adapter for it yet.
- Temporal, Hatchet and Windmill: their servers come as downloads or images, not from PyPI, npm or Debian."""


def markdown(results: Results, picture: str = "") -> str:
    """The whole page, losses and failures included."""
    ran = {run.engine for run in results.runs}
    engines = [engine for engine in catalogue.ALL if engine.name in ran]
    peers = [engine for engine in engines if engine.name != OURS]
    parts = [
        "# dag-service and its peers, side by side",
        f"{results.date}; {results.machine}; {results.rounds} round(s). `make bench` makes this page.",
        METHOD,
        "## Figures",
        f"The median of the rounds, and [least .. most]. A run may last {results.cap_seconds:g} s.",
        figures(results, engines),
    ]
    if peers:
        parts += [
            "## Ratios",
            "How many times better dag-service was in the same round: the median, and [least .. most]. "
            "Below 1 the peer was better.",
            ratios(results, peers),
        ]
        if picture:
            parts.append(f"![ratios]({picture})")
    parts += ["## What they promise", promises(results, engines)]
    if failed := failures(results, engines):
        parts += ["## What failed", failed]
    absent = [f"- {title} could not be installed." for title in results.absent]
    parts += ["## Who is missing", "\n".join([*absent, ABSENT])]
    if results.floor:
        parts += [
            "## The floor",
            "What Valkey and the SQS emulator do alone here, called from one thread of Python: the least a call costs.",
            floor(results),
        ]
    parts += ["## Was the machine steady?", steadiness(results)]
    return "\n\n".join(parts) + "\n"


def figures(results: Results, engines: list[Engine]) -> str:
    rows = [["", "", *(engine.title for engine in engines)]]
    for workload, unit in results.measures():
        cells = []
        for engine in engines:
            spread = results.spread(engine.name, workload, unit)
            cells.append(_spread(spread) if spread else _why(results, engine.name, workload))
        better = "more" if unit in RATES else "less"
        rows.append([results.workloads[workload], f"{unit} ({better} is better)", *cells])
    return _table(rows)


def ratios(results: Results, peers: list[Engine]) -> str:
    rows = [["", "", *(peer.title for peer in peers)]]
    for workload, unit in results.measures():
        found = [results.ratio(peer.name, workload, unit) for peer in peers]
        rows.append([results.workloads[workload], unit, *(_spread(ratio) if ratio else "-" for ratio in found)])
    return _table(rows)


def promises(results: Results, engines: list[Engine]) -> str:
    rows = [["engine", "versions", "how it runs here", "durability"]]
    for engine in engines:
        versions = ", ".join(f"{name} {version}" for name, version in results.versions.get(engine.name, {}).items())
        rows.append([engine.title, versions, engine.how, engine.durable])
    return _table(rows)


def failures(results: Results, engines: list[Engine]) -> str:
    """Every reason, and how often it occurred."""
    lines = []
    for engine in engines:
        for workload, title in results.workloads.items():
            found = results.failures(engine.name, workload)
            good = len(
                [run for run in results.runs if (run.engine, run.workload) == (engine.name, workload) and run.values]
            )
            for reason in dict.fromkeys(found):
                tries = f"{found.count(reason)} of {good + len(found)} runs"
                lines.append(f"- {engine.title}, {title}: {reason} ({tries})")
    return "\n".join(lines)


def floor(results: Results) -> str:
    rows = [["", "median", "least .. most"]]
    for name in results.floor[0]:
        spread = Spread.of([figures[name] for figures in results.floor])
        rows.append([name, _number(spread.median), f"{_number(spread.least)} .. {_number(spread.most)}"])
    return _table(rows)


def steadiness(results: Results) -> str:
    loop, load = Spread.of(results.calibration), Spread.of(results.load)
    return (
        f"A fixed loop in Python, before and after every turn: {loop.median * 1000:.1f} ms "
        f"[{loop.least * 1000:.1f} .. {loop.most * 1000:.1f}]; the slowest took {loop.most / loop.least:.2f} times as "
        f"long as the fastest. Load at these moments (the engines' own included): {load.least:.1f} .. {load.most:.1f}."
    )


def _why(results: Results, engine: str, workload: str) -> str:
    reasons = results.failures(engine, workload)
    return (reasons[0].split(":")[0] if reasons[0].startswith("over") else "failed") if reasons else "-"


def _spread(spread: Spread) -> str:
    return f"{_number(spread.median)} [{_number(spread.least)} .. {_number(spread.most)}]"


def _number(number: float) -> str:
    """The number with about three significant digits."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
