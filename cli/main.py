"""`dag`: everything that can be done with workflows and instances, from a terminal or a script."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chalicelib import __version__
from cli.commands import graphs, instances, plans, profile, running, stacks
from cli.failures import MEANINGS
from cli.session import shared

CODES = "\n\n".join(f"{int(code)}  {meaning}" for code, meaning in MEANINGS.items())
HELP = f"""Run workflows that are JSON DAGs, watch them, and look at what they did.

The service is looked for at --url, else as the --profile says, else at DAG_URL, else as the profile in use says
(`dag profile use`), else at http://127.0.0.1:8000.

Exit codes:

{CODES}
"""

app = typer.Typer(
    name="dag",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dag {__version__}")
        raise typer.Exit


def _options(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="the version of dag", callback=_version, is_eager=True)
    ] = False,
) -> None: ...


app.callback()(shared(_options, _options))


for commands in (running, plans, instances, graphs, stacks):
    commands.register(app)
app.add_typer(profile.app, name="profile")


def main() -> None:
    """The entry point. Ctrl-C and a closed pipe are no errors of ours: no traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
