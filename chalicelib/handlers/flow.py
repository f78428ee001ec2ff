"""The handlers that give a workflow its shape: `input`, `output`, `noop`. They are instant: they do no I/O."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from chalicelib.handlers.api import Config, Context, handler


class Defaults(BaseModel):
    """Any fields. The params override them."""

    model_config = ConfigDict(extra="allow")


class OutputConfig(Config):
    """The result is `value` if that is given, else the results of the dependencies, by id."""

    value: Any = None


@handler("input", instant=True)
def input_(config: Defaults, context: Context) -> dict[str, Any]:
    """Yields the trigger's params, laid over the defaults in its config."""
    return {**(config.model_extra or {}), **context.params}


@handler("output", instant=True)
def output(config: OutputConfig, context: Context) -> Any:
    """Aggregates the results of its dependencies, or yields `value`."""
    return config.value if "value" in config.model_fields_set else dict(context.results)


@handler("noop", instant=True)
def noop(config: Defaults) -> None:
    """Does nothing."""
