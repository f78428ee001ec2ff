"""Views of the service's answers, for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from cli import text
from cli.outline import Line, Nodes, fold, outline
from cli.output import Output

MARKS = {"PENDING": "·", "RUNNING": "▶", "COMPLETED": "✓", "FAILED": "✗", "SKIPPED": "-", "CANCELLED": "■"}
WEIGHTS = {"RUNNING": 3, "FAILED": 2, "CANCELLED": 1}
OVER = ("COMPLETED", "FAILED", "CANCELLED")
STATES = ("pending", "running", "completed", "failed", "skipped", "cancelled")


def headline(status: Mapping[str, Any]) -> Text:
    """One line: id, status, progress, and how long it took."""
    progress = status["progress"]
    took = text.between(status["created_at"], status.get("finished_at"))
    parts = [text.literal(status.get("instance_id") or status["execution_id"]), text.status(status["status"])]
    if status.get("paused"):
        parts.append(Text("paused", "bold yellow"))
    parts.append(Text(f"{progress['completed']} of {progress['total']} nodes" + (f", {took}" if took else "")))
    if status.get("epoch", 1) > 1:
        parts.append(Text(f"epoch {status['epoch']}"))
    return Text(" ").join(parts)


def say_large(output: Output, results: Mapping[str, Any]) -> None:
    """Name the results that are left out, and the command that fetches one."""
    if large := results.get("large"):
        command = f"dag results {results['instance_id']} --node {next(iter(large))}"
        output.say(f"too large for one answer: {', '.join(large)} (one by one: {command})")


def reason(error: Mapping[str, Any] | None) -> str:
    """Why a node or an instance failed, in one line."""
    if not error:
        return ""
    node = f"{error['node']}: " if error.get("node") else ""
    return f"{node}{error.get('type')}: {error.get('message')}"


def show_status(output: Output, status: Mapping[str, Any]) -> None:
    """The headline, tags and error, and a table of the nodes."""
    output.out.print(headline(status))
    output.out.print(
        text.literal(f"{status['name']}, {status['execution_id']}, created {text.clock(status['created_at'])}")
    )
    if status.get("tags"):
        output.out.print(text.literal("tags " + ", ".join(f"{key}:{value}" for key, value in status["tags"].items())))
    if status.get("error"):
        output.out.print(text.literal(reason(status["error"]), "red"))
    rows = [
        (
            id,
            text.status(node["status"]),
            node["attempt"] or None,
            text.between(node.get("queued_at"), node.get("started_at")),
            text.between(node.get("started_at"), node.get("finished_at")),
            reason(node.get("error")),
        )
        for id, node in status["nodes"].items()
    ]
    if rows:
        output.out.print()
    output.table(("node", "status", "attempt", "waited", "took", "error"), rows)


def tree(status: Mapping[str, Any], nodes: Nodes, room: int) -> Iterable[Text]:
    """The nodes of an instance as an outline of at most about `room` lines."""
    states = status["nodes"]
    lines = outline(nodes) or [Line(0, id, (id,)) for id in states]

    def weight(id: str) -> int:
        return WEIGHTS.get(states[id]["status"], 0) if id in states else 0

    for line in fold(lines, room, weight):
        indent = "  " * min(line.depth, 12)
        if line.node is None:
            counts = Counter(states[id]["status"] for id in line.ids if id in states)
            summary = ", ".join(f"{count} {status.lower()}" for status, count in counts.items())
            yield text.literal(f"{indent}… {summary}", "dim")
        elif line.node in states:
            yield _node(indent, line.node, states[line.node])


def _node(indent: str, id: str, node: Mapping[str, Any]) -> Text:
    status = node["status"]
    style = text.STYLES.get(status, "")
    line = Text.assemble(indent, (MARKS.get(status, "?"), style), " ", (text.clean(id), style))
    if took := text.between(node.get("started_at"), node.get("finished_at")):
        line.append(f"  {took}", "dim")
    if node["attempt"] > 1:
        line.append(f"  attempt {node['attempt']}", "yellow")
    if node.get("error"):
        line.append(f"  {text.clean(reason(node['error']))}", "red")
    return line
