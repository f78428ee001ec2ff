"""`dag graph`: draws a workflow, or an instance in the colours of its nodes' statuses."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import drawing, options, outline
from cli.failures import Exit, Failure
from cli.graph import States, dot, mermaid, nodes_of
from cli.outline import Nodes
from cli.session import Session, command
from cli.sources import Source


class Format(StrEnum):
    SVG = "svg"
    MERMAID = "mermaid"
    DOT = "dot"


SUFFIXES = {
    ".svg": Format.SVG,
    ".mmd": Format.MERMAID,
    ".mermaid": Format.MERMAID,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
}
WRITERS = {Format.SVG: drawing.svg, Format.MERMAID: mermaid, Format.DOT: dot}


def register(app: typer.Typer) -> None:
    command(app)(graph)


def graph(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|ID",
            help="a workflow in JSON (- reads stdin), an execution_id, or an instance_id: coloured by status",
            autocompletion=options.complete_file,
        ),
    ],
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="by the name of --output where not said, else svg")
    ] = None,
    output: options.Output = None,
) -> None:
    """Draw a workflow as SVG, Mermaid or DOT, without a network. --json gives nodes, edges and statuses."""
    nodes, states = _read(session, what)
    if session.output.as_json:
        session.output.json(
            {
                "nodes": [{"id": id, "status": states.get(id)} for id in nodes],
                "edges": [{"from": parent, "to": id} for id, parents in nodes.items() for parent in parents],
            }
        )
        return
    drawn = WRITERS[format or SUFFIXES.get(Path(output or "").suffix, Format.SVG)](nodes, states)
    if output is None:
        session.output.document(drawn)
        return
    try:
        Path(output).write_text(drawn, "utf-8")
    except OSError as error:
        raise Failure(Exit.INVALID, f"{output} cannot be written: {error.strerror}") from error
    session.output.say(f"{output}: {len(nodes)} nodes")


def _read(session: Session, what: str) -> tuple[Nodes, States]:
    states: States = {}
    definition: Any
    if what.startswith(("ex-", "in-")) and not Path(what).exists():
        execution_id = what
        if what.startswith("in-"):
            status = session.client.get("workflows", what)
            execution_id = status["execution_id"]
            states = {id: node["status"] for id, node in status["nodes"].items()}
        definition = session.client.get("workflow", execution_id)["definition"]
    else:
        definition = Source(what).json()
    try:
        nodes = nodes_of(definition)
    except ValueError as error:
        raise Failure(Exit.INVALID, f"{what}: {error}") from error
    if len(outline.order(nodes)) < len(nodes):
        raise Failure(Exit.INVALID, f"{what}: there is a cycle in it: `dag validate` names its nodes")
    return nodes, states
