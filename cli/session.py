"""The session of a command: the options that every command has, the client, and an exit code for each failure."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from cli import profiles
from cli.client import Client
from cli.failures import Exit, Failure
from cli.output import Output

_PANEL = "Service and output"
_SHARED: dict[str, Any] = {
    "url": Annotated[
        str | None,
        typer.Option("--url", help=f"where the service is [DAG_URL; {profiles.LOCAL}]", rich_help_panel=_PANEL),
    ],
    "api_key": Annotated[
        str | None, typer.Option("--api-key", help="sent as X-API-Key [DAG_API_KEY]", rich_help_panel=_PANEL)
    ],
    "auth": Annotated[
        str | None,
        typer.Option(
            "--auth",
            help="iam: sign with AWS credentials; none: never; auto: on API Gateway, without an API key [DAG_AUTH]",
            rich_help_panel=_PANEL,
        ),
    ],
    "profile": Annotated[
        str | None,
        typer.Option("--profile", help="settings by name: see `dag profile` [DAG_PROFILE]", rich_help_panel=_PANEL),
    ],
    "as_json": Annotated[
        bool, typer.Option("--json", help="JSON on stdout, everything else on stderr", rich_help_panel=_PANEL)
    ],
}


class Session:
    """One call of `dag`. `flags`: url, api_key and auth, None if not given. `profile`: the name of a profile."""

    def __init__(self, output: Output, flags: Mapping[str, str | None], profile: str | None) -> None:
        self.output = output
        self.flags = flags
        self._profile = profile

    @classmethod
    def of(cls, ctx: typer.Context) -> Session:
        """The shared options may be given before the command, after it, or both; the later ones win."""
        before = ctx.find_root().params
        given = {name: ctx.params.get(name) or before.get(name) for name in _SHARED}
        flags = {name: given[name] for name in ("url", "api_key", "auth")}
        return cls(Output(as_json=bool(given["as_json"])), flags, given["profile"])

    @functools.cached_property
    def client(self) -> Client:
        """The client, made at its first use: some commands need none."""
        return Client(profiles.choose(self.flags, self._profile))


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a command. It takes the Session first, and returns an exit code, or None for 0."""

    def decorate(function: Callable[..., Exit | None]) -> Callable[..., Any]:
        def run(ctx: typer.Context, **given: Any) -> None:
            session = Session.of(ctx)
            try:
                code = function(session, **given)
            except Failure as failure:
                session.output.failure(failure)
                code = failure.code
            raise typer.Exit(int(code or Exit.OK))

        app.command(name or function.__name__)(shared(function, run))
        return function

    return decorate


def shared(function: Callable[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    """A function for Typer, with the options of `function` except its first parameter, and the shared options, which
    stay in the context. It calls `run(ctx, **options)`."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    def entry(ctx: typer.Context, **given: Any) -> None:
        run(ctx, **{name: value for name, value in given.items() if name not in _SHARED})

    ctx = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    common = [
        ctx.replace(name=name, annotation=kind, default=False if name == "as_json" else None)
        for name, kind in _SHARED.items()
    ]
    options = [ctx, *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *common]
    entry.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    entry.__annotations__ = {parameter.name: parameter.annotation for parameter in options}
    entry.__name__, entry.__doc__ = function.__name__, function.__doc__
    return entry
