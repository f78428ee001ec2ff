"""`dag plan`: what a run will take, before it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import forecast, options, sources
from cli.failures import Exit, Failure
from cli.session import Session, command
from cli.sources import Source

Workers = Annotated[int | None, typer.Option("--workers", min=1, help="how many invocations there may be at once")]
Duration = Annotated[
    list[str] | None,
    typer.Option(
        "--duration",
        "-d",
        metavar="NODE|HANDLER=SECONDS",
        help="how long a node takes, or each of a handler's; several times",
    ),
]
Recorded = Annotated[
    str | None,
    typer.Option(
        "--recorded",
        metavar="INSTANCE_ID",
        help="take the others from how long they took in it",
        autocompletion=options.complete_instance,
    ),
]


def register(app: typer.Typer) -> None:
    command(app)(plan)


def plan(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|EXECUTION_ID",
            help="a workflow in JSON (- reads stdin), or the execution_id of a stored one",
            autocompletion=options.complete_file,
        ),
    ],
    workers: Workers = None,
    duration: Duration = None,
    recorded: Recorded = None,
) -> None:
    """What a run will take: its time, its messages and calls, its US$ compared with Step Functions.

    Nothing runs, and nothing is stored.
    """
    known: dict[str, Any] = {
        name: value for name, value in {"workers": workers, "instance_id": recorded}.items() if value is not None
    }
    durations = _seconds(duration or ())
    if not what.startswith("ex-") or Path(what).exists():
        source = Source(what)
        source.json()
        found = of_source(session, source, durations=durations, **known)
    elif not durations:
        found = session.client.get("workflow", what, "plan", **known)
    else:  # durations do not fit into a query
        definition = session.client.get("workflow", what)["definition"]
        found = _ask(session, json.dumps(definition).encode(), durations=durations, **known)
    if session.output.as_json:
        session.output.json(found)
    else:
        forecast.show(session.output, found)


def of_source(session: Session, source: Source, **known: Any) -> Any:
    """The service's plan of a workflow, which it validates like a submission. Raises Failure, with lines."""
    try:
        return _ask(session, source.raw, **known)
    except Failure as failure:
        raise source.located(failure, "/workflow") from failure


def _ask(session: Session, workflow: bytes, *, durations: dict[str, float] | None = None, **known: Any) -> Any:
    # As the member `workflow`, unchanged, the text cannot be taken for a request with members of its own.
    rest = json.dumps({"durations": durations or {}, **known}).encode()
    return session.client.post("workflow", "plan", raw=b'{"workflow": %b, %b' % (workflow, rest[1:]))


def _seconds(given: Sequence[str]) -> dict[str, float]:
    found = {}
    for name, seconds in sources.pairs(given, "--duration", last=True).items():
        try:
            found[name] = float(seconds)
        except ValueError as error:
            raise Failure(Exit.INVALID, f"--duration {name} takes seconds, not `{seconds}`") from error
    return found
