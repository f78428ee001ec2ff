"""The worker's log events about nodes. A node that succeeds is logged at DEBUG only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from chalicelib.best_effort import best_effort
from chalicelib.core.transitions import Outcome
from chalicelib.worker.job import Job

# Level and event by the outcome of an attempt. A million completed nodes must not cost a million lines.
EVENTS: Mapping[Outcome, tuple[int, str]] = {
    Outcome.COMMITTED: (logging.DEBUG, "node completed"),
    Outcome.RETRY: (logging.WARNING, "node retried"),
    Outcome.FAILED: (logging.WARNING, "node failed"),
    Outcome.REPEATED: (logging.WARNING, "node committed twice"),
    Outcome.SUPERSEDED: (logging.WARNING, "node superseded"),
    Outcome.CLOSED: (logging.WARNING, "node too late"),
    Outcome.GONE: (logging.WARNING, "node too late"),
}

log = logging.getLogger("dag.node")


def fields(job: Job) -> dict[str, Any]:
    """The fields of every line about an attempt."""
    spec = job.plan.nodes[job.node]
    return {
        "instance_id": job.ref.instance_id,
        "execution_id": job.ref.execution_id,
        "node": spec.id,
        "handler": spec.handler,
        "attempt": job.attempt,
    }


def started() -> None:
    """Log that an attempt begins. The fields are those that are bound around the call."""
    if log.isEnabledFor(logging.DEBUG):
        best_effort(log.debug, "node started")


def node(outcome: Outcome, job: Job, seconds: float, **more: Any) -> None:
    """Log the outcome of an attempt that took `seconds`."""
    level, name = EVENTS[outcome]
    if log.isEnabledFor(level):
        best_effort(log.log, level, name, extra=fields(job) | {"ms": round(seconds * 1000, 1)} | more)


def cut_off(job: Job, seconds: float, reason: str) -> None:
    """Log that the invocation ended before the attempt, which loses its lease."""
    best_effort(log.warning, "node cut off", extra=fields(job) | {"ms": round(seconds * 1000, 1), "reason": reason})
