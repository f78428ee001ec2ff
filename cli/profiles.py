"""Profiles: the service's URL and the caller's credentials, from flags, a named profile, the environment, or the
profile in use."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import tomlkit
import typer

from cli.failures import Exit, Failure

Auth = Literal["auto", "none", "iam"]

LOCAL = "http://127.0.0.1:8000"
ENVIRONMENT = {"url": "DAG_URL", "api_key": "DAG_API_KEY", "auth": "DAG_AUTH"}


@dataclass(frozen=True, slots=True)
class Profile:
    """`auth`: `iam` signs with AWS credentials, `none` never does, `auto` does on API Gateway without an API key."""

    url: str = LOCAL
    api_key: str | None = None
    auth: Auth = "auto"


def file() -> Path:
    """DAG_CONFIG, or a file in the user's folder of settings: `~/.config/dag-service/config.toml` on Linux."""
    return Path(os.environ.get("DAG_CONFIG") or Path(typer.get_app_dir("dag-service")) / "config.toml")


def read() -> tuple[str | None, dict[str, dict[str, Any]]]:
    """The name of the profile in use, and all profiles. Raises Failure if the file is not valid."""
    try:
        document = tomllib.loads(file().read_text("utf-8"))
    except FileNotFoundError:
        return None, {}
    except (OSError, ValueError) as error:
        raise Failure(Exit.INVALID, f"{file()} cannot be read: {error}") from error
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(profile, dict) for profile in profiles.values()):
        raise Failure(Exit.INVALID, f"{file()}: `profiles` must be tables, such as [profiles.prod]")
    used = document.get("use")
    if used is not None and not isinstance(used, str):
        raise Failure(Exit.INVALID, f"{file()}: `use` must be the name of a profile in quotes")
    return used, profiles


def choose(flags: Mapping[str, str | None], name: str | None) -> Profile:
    """The settings to call with. `flags`: the command line's, None if not given."""
    used, profiles = read()
    # A URL given by hand belongs to no profile: a profile's API key must not be sent there.
    by_hand = flags.get("url") or os.environ.get(ENVIRONMENT["url"])
    wanted = name or os.environ.get("DAG_PROFILE") or (None if by_hand else used)
    stored: Mapping[str, Any] = {}
    if wanted is not None:
        if wanted not in profiles:
            raise Failure(
                Exit.NOT_FOUND, f"there is no profile `{wanted}` in {file()}: `dag profile set {wanted} --url ...`"
            )
        stored = profiles[wanted]
    names = [field.name for field in fields(Profile)]
    environment = {name: os.environ.get(ENVIRONMENT[name]) for name in names}
    # --profile belongs to this call, so it goes before the environment; the profile in use was chosen earlier.
    sources = (flags, stored, environment) if name else (flags, environment, stored)
    found = {name: next((value for source in sources if (value := source.get(name))), None) for name in names}
    given: dict[str, Any] = {name: str(value) for name, value in found.items() if value is not None}
    _check(given)
    return Profile(**given)


def _check(given: Mapping[str, Any]) -> None:
    if given.get("auth") not in (None, *get_args(Auth)):
        raise Failure(Exit.INVALID, f"`auth` must be one of {', '.join(get_args(Auth))}, not `{given['auth']}`")


def write(name: str, values: Mapping[str, str | None]) -> None:
    """Set the values that are not None in a profile, which is created if it is missing; the first one is put in use."""
    _check(values)
    document = _document()
    profiles = document.setdefault("profiles", tomlkit.table(is_super_table=True))
    profile = profiles.setdefault(name, tomlkit.table())
    for key, value in values.items():
        if value is not None:
            profile[key] = value
    document.setdefault("use", name)
    _save(document)


def use(name: str) -> None:
    """Put a profile in use. Raises Failure if there is no such profile."""
    document = _document()
    if name not in document.get("profiles", {}):
        raise Failure(Exit.NOT_FOUND, f"there is no profile `{name}` in {file()}")
    document["use"] = name
    _save(document)


def remove(name: str) -> None:
    """Raises Failure if there is no such profile."""
    document = _document()
    if name not in document.get("profiles", {}):
        raise Failure(Exit.NOT_FOUND, f"there is no profile `{name}` in {file()}")
    del document["profiles"][name]
    if document.get("use") == name:
        del document["use"]
    _save(document)


def _document() -> tomlkit.TOMLDocument:
    read()  # raises Failure if the file is not valid
    return tomlkit.parse(file().read_text("utf-8")) if file().exists() else tomlkit.document()


def _save(document: tomlkit.TOMLDocument) -> None:
    """Raises Failure if the file cannot be written; then it is unchanged."""
    path = file()
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It may hold an API key, so other users must not be able to read it at any moment.
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
            output.write(tomlkit.dumps(document))
        new.replace(path)
    except OSError as error:
        remedy = "DAG_CONFIG names another file"
        raise Failure(Exit.SERVER, f"{path} cannot be written: {error.strerror}. {remedy}") from error
