"""Arguments and options that several commands take, and how a shell completes them."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from cli import profiles
from cli.failures import Failure
from cli.session import Session


def complete_node(ctx: typer.Context, incomplete: str) -> list[str]:
    """The nodes of the instance on the command line; none if the service does not answer."""
    # Typer leaves arguments of an incomplete line unparsed.
    id = next((word for word in (ctx.params.get("id"), *ctx.args) if word), "")
    try:
        nodes: dict[str, Any] = Session.of(ctx).client.get("workflows", id, retry=False)["nodes"]
    except (Failure, KeyError, TypeError):
        return []
    return [id for id in nodes if id.startswith(incomplete)]


def complete_instance(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The newest instances, with their names."""
    try:
        page = Session.of(ctx).client.get("workflows", limit=20, retry=False)["instances"]
        found = [(str(one["instance_id"]), f"{one['name']} {one['status']}") for one in page]
    except (Failure, KeyError, TypeError):
        return []
    return [(id, what) for id, what in found if id.startswith(incomplete)]


def complete_workflow(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The newest workflows, with their names."""
    try:
        page = Session.of(ctx).client.get("workflow", limit=20, retry=False)["workflows"]
        found = [(str(one["execution_id"]), str(one["name"])) for one in page]
    except (Failure, KeyError, TypeError):
        return []
    return [(id, what) for id, what in found if id.startswith(incomplete)]


def complete_profile(incomplete: str) -> list[str]:
    try:
        return [name for name in profiles.read()[1] if name.startswith(incomplete)]
    except Failure:
        return []


def complete_file(incomplete: str) -> list[str]:
    """JSON files and folders."""
    folder, _, start = incomplete.rpartition("/")
    prefix = f"{folder}/" if folder or incomplete.startswith("/") else ""
    try:
        entries = [entry for entry in os.scandir(prefix or ".") if entry.name.startswith(start)]
    except OSError:
        return []
    return [
        f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.is_dir() or entry.name.endswith(".json")
    ]


Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="an instance_id, or an execution_id for its newest instance",
        autocompletion=complete_instance,
    ),
]
Workflow = Annotated[
    str, typer.Argument(metavar="EXECUTION_ID", help="of a stored workflow", autocompletion=complete_workflow)
]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="a workflow in JSON; - reads stdin", autocompletion=complete_file)
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="KEY=VALUE", help="a param; VALUE is JSON where it can be read as such, else text"
    ),
]
Params = Annotated[
    str | None,
    typer.Option("--params", metavar="FILE", help="params as a JSON object; - reads stdin; --param goes on top"),
]
Tag = Annotated[
    list[str] | None, typer.Option("--tag", "-t", metavar="KEY=VALUE", help="a tag; may be given several times")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="follow it to its end; the exit code says how it ended")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="stop following after that time: exit code 5"),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="how many at most")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="go on after an earlier page: what its `next` was")]
Node = Annotated[str | None, typer.Option("--node", help="of one node alone", autocompletion=complete_node)]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="NODE",
        help="run it again, and what depends on it; several times",
        autocompletion=complete_node,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="write it there instead of to stdout")
]
