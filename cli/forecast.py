"""A forecast (the service's plan of a run), printed for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli import text
from cli.output import Output

LEVELS, NAMES = 20, 6  # the most that are shown
SERVICES = {
    "dag_service": "dag-service",
    "step_functions_standard": "Step Functions Standard",
    "step_functions_express": "Step Functions Express",
}


def show(output: Output, plan: Mapping[str, Any]) -> None:
    """Print its shape, times, usage and costs; then the assumptions."""
    levels, path, makespan = plan["levels"], plan["critical_path"], plan["makespan"]
    shape = f"{plan['nodes']} nodes, {plan['edges']} edges, {len(levels)} levels, {plan['max_parallelism']} at once"
    output.out.print(text.literal(f"{plan['name']}: {shape}", "bold"))
    output.out.print(text.literal(f"critical path, {text.seconds(path['seconds'])}: {_few(path['nodes'], ' > ')}"))
    rows = [(str(number), str(len(ids)), _few(ids, ", ")) for number, ids in enumerate(levels[:LEVELS], start=1)]
    if more := levels[LEVELS:]:
        rows.append(("…", str(sum(map(len, more))), f"in {len(more)} more levels"))
    _table(output, ("level", "nodes", ""), rows)
    times = [
        (f"with {makespan['workers']} workers", text.seconds(makespan["seconds"])),
        (f"with no limit ({makespan['unlimited_workers']} at work)", text.seconds(makespan["unlimited_seconds"])),
    ]
    _table(output, ("makespan", ""), times)
    used = [(_words(name), f"{round(value, 4):,}") for name, value in plan["usage"].items() if value is not None]
    _table(output, ("usage", ""), used)
    bills = plan["cost_usd"]
    costs = [(title, _money(bills[name]["total"]), _parts(bills[name])) for name, title in SERVICES.items()]
    _table(output, ("cost of a run", "US$", "of which"), costs)
    output.out.print()
    for line in _assumptions(plan):
        output.out.print(text.literal(line, "dim"))


def _table(output: Output, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    output.out.print()
    output.table(columns, rows)


def _assumptions(plan: Mapping[str, Any]) -> Iterator[str]:
    known, rests = plan["durations"], plan["assumptions"]
    counts = ", ".join(f"{known[name]} {name}" for name in ("given", "recorded", "assumed"))
    yield f"durations of nodes: {counts}; {text.seconds(known['total_seconds'])} in all"
    times = ((_words(name), value) for name, value in rests.items() if name.endswith("_seconds"))
    yield "assumed: " + ", ".join(f"{name.removesuffix(' seconds')} {value:g} s" for name, value in times)
    yield f"functions of {rests['memory_gb']:g} GB; scheduling {rests['scheduling']}"
    yield from rests["notes"]


def _few(ids: Sequence[str], between: str) -> str:
    """The first ids, and the last."""
    if len(ids) <= NAMES:
        return between.join(ids)
    return between.join([*ids[: NAMES - 2], f"… {len(ids) - NAMES + 1} more", ids[-1]])


def _words(name: str) -> str:
    return (
        name.replace("_", " ")
        .replace("sqs", "SQS")
        .replace("redis", "Redis")
        .replace("aws", "AWS")
        .replace("lambda", "Lambda")
        .replace("gb seconds", "GB-seconds")
    )


def _money(dollars: float) -> str:
    return f"{dollars:.9f}"  # one message is US$ 0.0000004


def _parts(bill: Mapping[str, float]) -> str:
    return ", ".join(f"{_words(name)} {_money(value)}" for name, value in bill.items() if name != "total")
