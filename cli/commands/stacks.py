"""Commands about the service itself: health, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import text
from cli.failures import Exit, Failure
from cli.session import Session, command


def register(app: typer.Typer) -> None:
    command(app)(health)
    command(app)(doctor)


def health(session: Session) -> Exit:
    """Whether the service, its store and its queue answer.

    Exit codes: 0, or 4 where one of them does not.
    """
    found = session.client.get("health", accept=(503,), retry=False)
    if session.output.as_json:
        session.output.json(found)
    else:
        rows = [(part, found.get(part)) for part in ("status", "store", "queue", "load")]
        rows += [(f"version of {part}", version) for part, version in found.get("versions", {}).items()]
        session.output.table((session.client.where, ""), rows)
    return Exit.OK if found.get("status") == "ok" else Exit.UNREACHABLE


def doctor(
    session: Session,
    stage: Annotated[str | None, typer.Option("--stage", help="a deployed stage; without it, the local stack")] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="ID", help="what that instance waits for")
    ] = None,
) -> Exit:
    """What is wrong with a stack, and what to do: it looks at the parts themselves.

    Exit codes: 0, 1 where there are warnings, 2 where something is broken.
    """
    import doctor as findings
    from doctor import __main__ as page
    from doctor import instance as stuck

    if stage is None and not Path(findings.__file__).parents[1].joinpath("Makefile").exists():
        remedy = "say --stage, or use `.venv/bin/dag` in the project's folder"
        raise Failure(Exit.INVALID, f"this dag is installed apart from the project, and sees no local stack: {remedy}")
    if instance is not None:
        try:
            said = stuck.as_text(stuck.gather(findings.settings(stage), instance))
        except LookupError as error:
            raise Failure(Exit.NOT_FOUND, str(error)) from error
        except ValueError as error:  # bad settings, reported as a start reports them
            raise Failure(Exit.INVALID, str(error)) from error
        except Exception as error:  # botocore's and redis-py's have no common root
            raise Failure(Exit.UNREACHABLE, f"the stack cannot be looked at: {error}") from error
        if session.output.as_json:
            session.output.json({"instance_id": instance, "lines": said.splitlines()})
        else:
            typer.echo(text.lines(said))
        return Exit.OK
    found = findings.run(stage)
    typer.echo(page.as_json(found) if session.output.as_json else text.lines(page.as_text(found)))
    return Exit(findings.exit_code(found))
