"""`dag`: everything that can be done with workflows and instances, from a terminal or a script."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, Any

import typer
from typer import rich_utils

from chalicelib import __version__
from cli import failures, streams
from cli.commands import graphs, instances, plans, profile, running, stacks
from cli.failures import MEANINGS, Exit
from cli.output import Output
from cli.session import shared

# As in a shell, for a process that a signal ended: 128 plus the number of the signal.
INTERRUPTED = 130
CLOSED_PIPE = 141

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
    """The entry point. Whatever happens, the exit code is one of those that the help lists.

    Left alone, Typer would exit with 1 if a pipe is closed, and Python if anything raises; but 1 means FAILED.
    """
    streams.tolerate()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        code = INTERRUPTED
    except BrokenPipeError:
        code = CLOSED_PIPE
    except SystemExit as error:  # a completion has ended, or Typer wrote to a closed pipe
        code = CLOSED_PIPE if isinstance(error.__context__, BrokenPipeError) else error.code
    except Exception as error:
        code = _report(error)
    streams.let_go()
    sys.exit(code)


def _report(error: Any) -> int:
    """Print the error, and return the exit code."""
    with contextlib.suppress(OSError):  # if stderr is closed, the exit code must do
        if hasattr(error, "exit_code"):  # wrong usage, which Typer found
            rich_utils.rich_format_error(error)
            return int(error.exit_code)
        Output(as_json="--json" in sys.argv).failure(failures.unforeseen(error))
    return int(Exit.SERVER)
