"""The end of an instance is said once: by whoever made the transition that ended it."""

from __future__ import annotations

import logging

from chalicelib.protocols import Ref

log = logging.getLogger(__name__)


def note(ref: Ref, status: str) -> None:
    """`status` is what a transition left the instance in: no more is said than that it ended, if it did."""
    if status in ("COMPLETED", "FAILED"):
        fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id, "status": status}
        log.info("instance finished", extra=fields)
