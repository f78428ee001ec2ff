"""The handler of the chaos workflows: it records its run, works, waits or fails as configured, and adds up."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

from chalicelib.handlers import Config, Context, DoNotRetry, handler
from tests.chaos import diary


class Act(Config):
    """It raises up to the attempt `fails`, or for good; `named` may be a template."""

    seconds: float = 0.0
    fails: int = 0
    fatal: bool = False
    named: Any = None


@handler("act")
def act(config: Act, context: Context) -> dict[str, Any]:
    """Return the base from the params plus the sum of the parents' values."""
    return _act(config, context)


@handler("act_waiting", waits=True)
def act_waiting(config: Act, context: Context) -> dict[str, Any]:
    """Act, and share the worker with others meanwhile."""
    return _act(config, context)


def _act(config: Act, context: Context) -> dict[str, Any]:
    token = secrets.token_hex(8)

    def note(what: str) -> None:
        diary.write(
            diary.Entry(
                what=what,
                instance=context.instance_id,
                node=context.node_id,
                attempt=context.attempt,
                token=token,
                pid=os.getpid(),
            )
        )

    note(diary.START)
    time.sleep(config.seconds)
    if config.fatal or context.attempt <= config.fails:
        note(diary.RAISE)
        raise DoNotRetry("as it was told") if config.fatal else RuntimeError("as it was told")
    value = context.params["base"] + sum(result["value"] for result in context.results.values() if result)
    note(diary.END)
    return {"value": value, "named": config.named, "token": token}
