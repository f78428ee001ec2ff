"""What the worker says of nodes and instances in the log: one event name each, with the fields to find them by."""

from __future__ import annotations

import logging
from typing import Any

from chalicelib.protocols import Ref
from chalicelib.worker.job import Job

log = logging.getLogger("dag.node")


def node(what: str, job: Job, *, seconds: float | None = None, **more: Any) -> None:
    """`what` happened to a node, after so long; all but a plain completion is a warning."""
    level = logging.DEBUG if what == "completed" else logging.WARNING
    if not log.isEnabledFor(level):
        return
    spec = job.plan.nodes[job.node]
    fields = {"instance_id": job.ref.instance_id, "node": spec.id, "handler": spec.handler, "attempt": job.attempt}
    if seconds is not None:
        fields["ms"] = round(seconds * 1000, 1)
    log.log(level, f"node {what}", extra=fields | more)


def finished(ref: Ref, status: str) -> None:
    """An instance ended."""
    log.info("instance finished", extra={"instance_id": ref.instance_id, "status": status})
