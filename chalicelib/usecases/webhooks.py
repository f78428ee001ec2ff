"""Calls webhooks when instances end. Each call is itself an instance, of a built-in workflow."""

from __future__ import annotations

import json
import logging
from typing import Any

from chalicelib import ids
from chalicelib.core import delivery
from chalicelib.core.calls import Children, Dispatching
from chalicelib.core.plan import Plan
from chalicelib.core.records import Snapshot
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.models.views import DeliveryStatus, WebhookView
from chalicelib.scheduling import Dispatch
from chalicelib.states import InstanceStatus, NodeState
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store
from chalicelib.usecases import present

log = logging.getLogger(__name__)

# The fields of the status that a call sends. Results are left out: the receiver can fetch them.
_SENT: Any = dict.fromkeys(
    ("instance_id", "execution_id", "name", "status", "epoch", "tags", "created_at", "finished_at"), True
)
_SENT["error"] = {"type", "message", "node"}


class Webhooks:
    """The use cases: one call for each epoch of an instance whose workflow has a webhook."""

    def __init__(self, store: Store, definitions: Definitions, dispatch: Dispatch) -> None:
        self._store = store
        self._definitions = definitions
        self._dispatch = dispatch

    def tell(self, instance_id: str) -> None:
        """Start the call for an instance that has ended. It is idempotent: the second call finds the first."""
        snapshot = self._store.snapshot(instance_id, whole=False)
        if snapshot is None or not InstanceStatus(snapshot.status).terminal:
            return
        plan = self._definitions.get(snapshot.execution_id)
        if plan is not None and plan.webhook is not None:
            self._start(snapshot, plan)
        else:
            log.warning("webhook dropped", extra={"instance_id": instance_id, "execution_id": snapshot.execution_id})
        self._store.clear_outbox(instance_id, epoch=snapshot.epoch)

    def view(self, snapshot: Snapshot, plan: Plan) -> WebhookView | None:
        """The status of the call; None if the workflow has no webhook. The store is read only after the end."""
        if plan.webhook is None:
            return None
        view = WebhookView(status=DeliveryStatus.PENDING)
        if not InstanceStatus(snapshot.status).terminal:
            return view
        made = self._store.snapshot(ids.delivery(snapshot.instance_id, snapshot.epoch))
        if made is None or delivery.NODE not in made.records:
            return view
        record, error = made.records[delivery.NODE], made.errors.get(delivery.NODE) or made.error
        view.status = _delivery(InstanceStatus(made.status))
        view.attempts = record.attempt - (record.state is NodeState.READY)
        view.last_error = present.error_view(error)
        if view.status is DeliveryStatus.DELIVERED and made.finished_at is not None:
            view.delivered_at = present.rfc3339(made.finished_at)
        return view

    def forget(self, snapshot: Snapshot) -> None:
        """Delete the records of the calls of all epochs. A call that is under way goes on."""
        for epoch in range(1, snapshot.epoch + 1):
            self._store.forget(ids.delivery(snapshot.instance_id, epoch))

    def _start(self, snapshot: Snapshot, plan: Plan) -> None:
        assert plan.webhook is not None
        call = Ref(
            ids.delivery(snapshot.instance_id, snapshot.epoch), delivery.execution_id(plan.webhook.get("secret"))
        )
        how = self._definitions.get(call.execution_id)
        assert how is not None
        items, cursor = how.unblocks(-1)
        params = {"url": plan.webhook["url"], "body": body(snapshot, plan)}
        outcome, _ = self._store.create(
            call,
            total=len(how.nodes),
            params=json.dumps(params).encode(),
            roots=Children(items, cursor),
            by=Dispatching(taken=True, resend_ms=self._dispatch.by.resend_ms),
            terms=how.terms,
        )
        if outcome is Outcome.CREATED:
            self._dispatch.send(call, how, [Ready(root, 1) for root in items[::2]])


def body(snapshot: Snapshot, plan: Plan) -> dict[str, Any]:
    """The body of the call: what happened, and to which instance."""
    view = present.status(snapshot, plan, None, nodes=False)
    return {
        "type": f"instance.{view.status.lower()}",
        "timestamp": view.finished_at,
        "data": view.model_dump(mode="json", include=_SENT),
    }


def _delivery(status: InstanceStatus) -> DeliveryStatus:
    """The status of a call, by the status of the instance that makes it."""
    if not status.terminal:
        return DeliveryStatus.PENDING
    return DeliveryStatus.DELIVERED if status is InstanceStatus.COMPLETED else DeliveryStatus.FAILED
