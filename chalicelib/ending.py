"""The end of an instance is noted once: by whoever made the transition that ended it."""

from __future__ import annotations

import logging

from chalicelib.core.plan import Plan
from chalicelib.core.work import Ref
from chalicelib.scheduling import Settler
from chalicelib.states import InstanceStatus

log = logging.getLogger(__name__)


def note(ref: Ref, plan: Plan, status: str, settler: Settler) -> None:
    """`status` is what a transition left the instance in. If it ended, that is said, and its webhook is seen to."""
    if status not in (InstanceStatus.COMPLETED, InstanceStatus.FAILED):
        return
    fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id, "status": status}
    log.info("instance finished", extra=fields)
    if plan.webhook is not None:
        try:
            settler.run(ref.instance_id)
        except Exception as error:  # what it owes is in the index
            log.warning("webhook left to the sweep", extra=fields | {"error": str(error)})
