"""`python -m local [--no-http]`: the whole service on this machine. `--check` only checks the settings, for
`chalice local`."""

from __future__ import annotations

import os
import sys

from chalicelib.errors import BadSettings
from local import check
from local.config import BadConfiguration
from local.console import Console
from local.processes import ROOT
from local.stack import Stack


def main(arguments: list[str]) -> int:
    """The exit code: 0 if it was told to stop, 1 if it could not go on, 2 if nothing was started."""
    console = Console()
    unknown = [argument for argument in arguments if argument not in ("--no-http", "--check")]
    if unknown:
        console.plain(f"unknown argument {unknown[0]}; usage: python -m local [--no-http] [--check]")
        return 2
    os.chdir(ROOT)
    checked = "--check" in arguments
    for line in check.slips(os.environ):
        console.line("stack", f"warning: {line}")
    try:
        config, _ = check.settings(os.environ, chalice=checked)
        if checked:
            config.check_port()
            return 0
    except BadSettings as error:
        for line in error.faults:
            console.line("stack", line)
        console.line("stack", "nothing was started. What is unset or empty has its default: see docs/settings.md")
        return 2
    except BadConfiguration as error:
        console.line("stack", str(error))
        return 1
    return Stack(config, console, http="--no-http" not in arguments).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
