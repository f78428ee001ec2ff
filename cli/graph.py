"""A DAG as text for programs that draw: Mermaid and DOT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli.outline import Nodes
from cli.text import clean

COLOURS = {  # fill and line, readable on light and dark
    "PENDING": ("#e5e7eb", "#6b7280"),
    "RUNNING": ("#bfdbfe", "#1d4ed8"),
    "COMPLETED": ("#bbf7d0", "#15803d"),
    "FAILED": ("#fecaca", "#b91c1c"),
    "SKIPPED": ("#fef08a", "#a16207"),
    "CANCELLED": ("#f5d0fe", "#a21caf"),
}
States = Mapping[str, str]  # id: status; empty for a workflow, which has no statuses


def nodes_of(definition: Any) -> Nodes:
    """The DAG of a workflow as it was written. Raises ValueError if it has none that can be drawn."""
    try:
        nodes = {
            str(node["id"]): [str(id) for id in node.get("dependencies") or []] for node in definition["dag"]["nodes"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("there is no `dag.nodes` with ids in it: `dag validate` says what is wrong") from error
    return {id: [parent for parent in dict.fromkeys(parents) if parent in nodes] for id, parents in nodes.items()}


def mermaid(nodes: Nodes, states: States) -> str:
    """A flowchart. Numbers stand for the ids, since Mermaid takes words such as `end` for syntax."""
    return "\n".join(_mermaid(nodes, states)) + "\n"


def _mermaid(nodes: Nodes, states: States) -> Iterator[str]:
    number = {id: f"n{place}" for place, id in enumerate(nodes)}
    yield "flowchart TD"
    for id in nodes:
        yield f'    {number[id]}["{_label(id)}"]' + (f":::{states[id]}" if id in states else "")
    for id, parents in nodes.items():
        for parent in parents:
            yield f"    {number[parent]} --> {number[id]}"
    for status in sorted(set(states.values()) & set(COLOURS)):
        fill, line = COLOURS[status]
        yield f"    classDef {status} fill:{fill},stroke:{line},color:#111827"


def _label(id: str) -> str:
    """Escape Mermaid's entities, which are written with numbers, and Markdown, where `1. Fetch` would be a list."""
    label = re.sub(r'[#&"<>\\]', lambda found: f"#{ord(found[0])};", clean(id))
    return re.sub(r"^(\d*)([.)*+-])(?= )", lambda found: f"{found[1]}#{ord(found[2])};", label)


def dot(nodes: Nodes, states: States) -> str:
    """A digraph for Graphviz."""
    return "\n".join(_dot(nodes, states)) + "\n"


def _dot(nodes: Nodes, states: States) -> Iterator[str]:
    yield "digraph {"
    yield '    node [shape=box, style="rounded,filled", fillcolor="#e5e7eb", fontname="sans-serif"]'
    for id in nodes:
        fill, line = COLOURS.get(states.get(id, ""), ("", ""))
        yield f"    {_quoted(id)}" + (f' [fillcolor="{fill}", color="{line}"]' if fill else "")
    for id, parents in nodes.items():
        for parent in parents:
            yield f"    {_quoted(parent)} -> {_quoted(id)}"
    yield "}"


def _quoted(id: str) -> str:
    return json.dumps(clean(id), ensure_ascii=False)
