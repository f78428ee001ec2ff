"""Enqueues what is due in an instance, and settles what a finished node does to the nodes behind it."""

from __future__ import annotations

import json
import logging

from chalicelib.core.plan import Plan
from chalicelib.protocols import Children, Dispatch, Dispatching, Outcome, Ref, Store
from chalicelib.store.definitions import Definitions

# How many due nodes one Lua call hands out.
LIMIT = 200

log = logging.getLogger(__name__)

DEFINITION_GONE = json.dumps(
    {
        "type": "DefinitionGone",
        "message": "the workflow was deleted, or its retention ended, while this instance was running",
    }
).encode()


class Scheduler:
    """One pass over one instance. Invoked on completion and by the sweep: it is the same pass."""

    def __init__(self, store: Store, definitions: Definitions, dispatch: Dispatch, *, max_lost: int) -> None:
        self._store = store
        self._definitions = definitions
        self._dispatch = dispatch
        self._max_lost = max_lost

    def run(self, instance_id: str) -> int:
        """Send and settle everything that is due. Returns how many nodes were sent or settled."""
        resend_ms, handled = self._dispatch.by.resend_ms, 0
        while True:
            due = self._store.take_due(instance_id, limit=LIMIT, resend_ms=resend_ms, max_lost=self._max_lost)
            if due.outcome is not Outcome.TAKEN or not (due.send or due.settle):
                return handled
            execution_id = self._store.execution_of(instance_id)
            if execution_id is None:
                return handled
            ref = Ref(instance_id, execution_id)
            plan = self._definitions.get(execution_id)
            if plan is None:
                self.abort(ref)
                return handled
            self._dispatch.send(ref, plan, due.send)
            for unsettled in due.settle:
                self.settle(ref, plan, unsettled.node, unsettled.cursor, failed=unsettled.failed)
            handled += len(due.send) + len(due.settle)
            if not due.more:
                return handled

    def settle(self, ref: Ref, plan: Plan, node: int, start: int, *, failed: bool) -> None:
        """Go through the children (of a failed node: the descendants) from `start` to the end, slice by slice."""
        by = Dispatching(taken=True, resend_ms=self._dispatch.by.resend_ms)
        while start >= 0:
            items, cursor = plan.behind(node, start, failed=failed)
            done = self._store.settle(ref.instance_id, node=node, start=start, children=Children(items, cursor), by=by)
            if done.outcome is not Outcome.SETTLED:
                return
            self._dispatch.send(ref, plan, done.ready)
            start = cursor

    def abort(self, ref: Ref) -> None:
        # Each of its messages comes here: it is said once.
        if self._store.end(ref.instance_id, status="FAILED", error=DEFINITION_GONE) is Outcome.ENDED:
            log.error("instance aborted", extra={"instance_id": ref.instance_id, "execution_id": ref.execution_id})

    def handle(self, event: dict[str, str]) -> dict[str, int]:
        """The Lambda function: {"instance_id": ...} -> {"handled": n}."""
        return {"handled": self.run(event["instance_id"])}
