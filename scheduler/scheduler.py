"""Enqueues the due nodes of an instance, and settles the nodes behind finished ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from chalicelib import logs
from chalicelib.core.calls import Children, Dispatching, Due
from chalicelib.core.node_error import NodeError
from chalicelib.core.plan import Plan
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref
from chalicelib.metrics.protocol import OFF, Metrics
from chalicelib.scheduling import Dispatch
from chalicelib.states import InstanceStatus
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store
from chalicelib.tracing.tracer import Tracer
from chalicelib.values.offload import Offload

# The most due nodes that one call of the store returns.
LIMIT = 200

log = logging.getLogger(__name__)

DEFINITION_GONE = NodeError(
    "DefinitionGone", "the workflow was deleted, or its retention ended, while this instance was running"
).encode()


class Pass(NamedTuple):
    """How many nodes were sent or settled, and how overdue the oldest was."""

    nodes: int = 0
    late_ms: int = 0


class Scheduler:
    """Makes a pass over one instance. It is the same pass after a completion and by the sweep."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        dispatch: Dispatch,
        *,
        offload: Offload,
        call_webhook: Callable[[str], None],
        max_lost: int,
        tracer: Tracer,
        metrics: Metrics = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`call_webhook` starts the webhook call of an instance that has ended."""
        self._offload = offload
        self._call_webhook = call_webhook
        self._tracer = tracer
        self._metrics = metrics
        self._clock = clock
        self._store = store
        self._definitions = definitions
        self._dispatch = dispatch
        self._max_lost = max_lost

    def run(self, instance_id: str) -> Pass:
        """Send and settle everything that is due. If the instance has ended: call its webhook, delete its results."""
        resend_ms, done = self._dispatch.by.resend_ms, Pass()
        while True:
            due = self._store.take_due(instance_id, limit=LIMIT, resend_ms=resend_ms, max_lost=self._max_lost)
            if due.outcome is Outcome.OUTBOX:
                self._call_webhook(instance_id)
            elif due.outcome is Outcome.LEFT:
                self._offload.forget(instance_id)
                self._store.forget(instance_id, emptied=True)
            cut_off = due.outcome is Outcome.CLOSED and due.status  # in this call: its time limit was exceeded
            if not (due.send or due.settle or cut_off):
                return done
            execution_id = self._store.execution_of(instance_id)
            if execution_id is None:
                return done
            ref = Ref(instance_id, execution_id)
            plan = self._definitions.get(execution_id)
            if plan is None:
                self.abort(ref)
                return done
            self._log_due(ref, plan, due)
            self.note_end(ref, plan, due.status)
            self._dispatch.send(ref, plan, due.send)
            for unsettled in due.settle:
                self.settle(ref, plan, unsettled.node, unsettled.cursor, failed=unsettled.failed)
            done = Pass(done.nodes + len(due.send) + len(due.settle), max(done.late_ms, due.late_ms))
            if not due.more:
                return done

    def settle(self, ref: Ref, plan: Plan, node: int, start: int, *, failed: bool) -> None:
        """Settle the children (the descendants, if the node failed) from `start` to the end, slice by slice."""
        by = Dispatching(taken=True, resend_ms=self._dispatch.by.resend_ms)
        while start >= 0:
            items, cursor = plan.behind(node, start, failed=failed)
            done = self._store.settle(ref.instance_id, node=node, start=start, children=Children(items, cursor), by=by)
            if done.outcome is not Outcome.SETTLED:
                return
            self.note_end(ref, plan, done.status)
            self._dispatch.send(ref, plan, done.ready)
            start = cursor

    def note_end(self, ref: Ref, plan: Plan, status: str) -> None:
        """See Settler. Only the transition that ends an instance answers with its last status, so this runs once."""
        if status not in (InstanceStatus.COMPLETED, InstanceStatus.FAILED):
            return
        fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id, "status": status}
        log.info("instance finished", extra=fields)
        if plan.webhook is not None:
            try:
                self.run(ref.instance_id)
            except Exception as error:  # the index still has what the instance owes
                log.warning("webhook left to the sweep", extra=fields | {"error": str(error)})

    def abort(self, ref: Ref) -> None:
        # Every message of the instance comes here, but only one call ends it and logs that.
        if self._store.end(ref.instance_id, status=InstanceStatus.FAILED, error=DEFINITION_GONE) is Outcome.ENDED:
            log.error("instance aborted", extra={"instance_id": ref.instance_id, "execution_id": ref.execution_id})

    def handle(self, event: dict[str, str]) -> dict[str, int]:
        """The Lambda function: {"instance_id": ..., and the carrier of the sender's trace} -> {"handled": n}."""
        instance_id = event["instance_id"]
        with self._tracer.schedule(instance_id, event), logs.bound({"instance_id": instance_id}):
            started = self._clock()
            done = self.run(instance_id)
            if done.nodes:
                self._metrics.dispatched([done.late_ms / 1000 + self._clock() - started])
            return {"handled": done.nodes}

    def _log_due(self, ref: Ref, plan: Plan, due: Due) -> None:
        """Log a node that is sent, at DEBUG, and one whose worker was lost, as a warning or an error."""
        fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id}
        for ready in due.send:
            node = {"node": plan.nodes[ready.node].id, "attempt": ready.attempt}
            if ready.alone:
                log.warning("node sent again", extra=fields | node | {"why": "a worker lost it"})
            else:
                log.debug("node sent", extra=fields | node)
        for unsettled in due.settle:
            if unsettled.failed and unsettled.cursor == 0:
                spec = plan.nodes[unsettled.node]
                log.error("node failed", extra=fields | {"node": spec.id, "error": "WorkerLost"})
                self._metrics.lost(spec.handler)
