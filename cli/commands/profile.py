"""`dag profile`: where services are and how to call them, by name."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from cli import options, profiles
from cli.session import Session, command

Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=options.complete_profile)]

app = typer.Typer(no_args_is_help=True, help="Where services are, and how to call them, by name.")


def set_(session: Session, name: Name) -> None:
    """Store --url, --api-key and --auth under a name. What is not given stays as it is."""
    profiles.write(name, session.flags)
    session.output.say(f"{name} is in {profiles.file()}")


def list_(session: Session) -> None:
    """All profiles; API keys are not shown."""
    used, found = profiles.read()
    if session.output.as_json:
        shown = {
            name: {key: "***" if key == "api_key" else value for key, value in profile.items()}
            for name, profile in found.items()
        }
        session.output.json({"file": str(profiles.file()), "use": used, "profiles": shown})
        return
    rows = [
        (
            Text("*") if name == used else "",
            name,
            profile.get("url"),
            "yes" if profile.get("api_key") else "",
            profile.get("auth"),
        )
        for name, profile in found.items()
    ]
    session.output.table(("use", "profile", "url", "API key", "auth"), rows)
    if not found:
        session.output.say(f"no profiles in {profiles.file()}: {profiles.LOCAL} is used")


def use(session: Session, name: Name) -> None:
    """Use a profile from now on, unless a flag or the environment names another."""
    profiles.use(name)
    session.output.say(f"{name} is in use")


def remove(session: Session, name: Name) -> None:
    """Forget a profile."""
    profiles.remove(name)
    session.output.say(f"{name} is removed")


command(app, "set")(set_)
command(app, "list")(list_)
command(app)(use)
command(app)(remove)
