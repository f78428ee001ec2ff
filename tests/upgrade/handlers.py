"""Handlers that misbehave in the same way in every release."""

from __future__ import annotations

import os

from chalicelib.handlers import Config, Context, DoNotRetry, handler


class Nothing(Config):
    pass


@handler("flaky")
def flaky(config: Nothing, context: Context) -> int:
    """Fail at the first attempt."""
    if context.attempt == 1:
        raise ValueError("the first attempt fails")
    return context.attempt


@handler("hopeless")
def hopeless(config: Nothing, context: Context) -> None:
    """Fail for good."""
    raise DoNotRetry("there is no way")


@handler("deadly")
def deadly(config: Nothing, context: Context) -> int:
    """Kill the worker at the first attempt."""
    if context.attempt == 1:
        os._exit(9)
    return context.attempt
