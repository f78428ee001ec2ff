"""Starts instances of stored workflows."""

from __future__ import annotations

import logging
from dataclasses import replace

from chalicelib import ids
from chalicelib.core import strictjson
from chalicelib.core.calls import Children
from chalicelib.core.node_error import NodeError
from chalicelib.core.plan import Plan
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.models.views import Triggered
from chalicelib.models.workflow import Trigger
from chalicelib.scheduling import Dispatch, FirstHop, Settler
from chalicelib.states import InstanceStatus
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store
from chalicelib.tracing.tracer import Tracer
from chalicelib.usecases import present, request_body
from chalicelib.usecases.admission import Admission
from chalicelib.usecases.request_body import BodyLimits
from chalicelib.usecases.resolver import Resolver, no_workflow

WITHDRAWN = NodeError("Withdrawn", "its workflow was deleted before it began").encode()

log = logging.getLogger(__name__)


class Triggering:
    """The use case. A workflow may be triggered many times; each time starts an instance of its own."""

    def __init__(
        self,
        *,
        store: Store,
        definitions: Definitions,
        resolver: Resolver,
        dispatch: Dispatch,
        settler: Settler,
        first_hop: FirstHop,
        admission: Admission,
        tracer: Tracer,
        limits: BodyLimits,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._resolver = resolver
        self._dispatch = dispatch
        self._settler = settler
        self._first_hop = first_hop
        self._admission = admission
        self._tracer = tracer
        self._limits = limits

    def trigger(self, execution_id: str, body: bytes, idempotency_key: str | None) -> Triggered:
        """Start a new instance of a stored workflow."""
        plan = self._resolver.plan_to_start(execution_id)
        wanted = request_body.read(body, Trigger, self._limits)
        self._admission.trigger()
        scope = f"trigger/{execution_id}"
        instance_id, again = request_body.new_id(self._store, ids.INSTANCE, scope, idempotency_key, body=body)
        ref = Ref(instance_id, execution_id)
        with self._tracer.trigger(ref, again=again):
            return self._start(ref, plan, wanted)

    def _start(self, ref: Ref, plan: Plan, wanted: Trigger) -> Triggered:
        items, cursor = plan.unblocks(-1)
        roots, params = items[::2], strictjson.dumps(wanted.params).encode()
        with self._first_hop.turn(plan, roots, params) as begin:
            outcome, created_at = self._store.create(
                ref,
                total=len(plan.nodes),
                params=params,
                roots=Children(items, cursor),
                by=self._dispatch.by,
                terms=replace(plan.terms, tags={**plan.terms.tags, **wanted.tags}),
            )
            if not self._store.note_latest(ref.execution_id, ref.instance_id):
                self._withdraw(ref, outcome)
                raise no_workflow(ref.execution_id)
            log.info("instance created", extra={"instance_id": ref.instance_id, "execution_id": ref.execution_id})
            left = begin(ref, plan, [Ready(root, 1) for root in roots])
        self._dispatch.unblocked(ref, plan, left)
        self._settler.settle(ref, plan, -1, cursor, failed=False)
        return Triggered(
            instance_id=ref.instance_id, execution_id=ref.execution_id, created_at=present.rfc3339(created_at)
        )

    def _withdraw(self, ref: Ref, outcome: Outcome) -> None:
        """End an instance whose workflow was deleted while this process still had its plan. Nothing of it was sent."""
        self._definitions.forget(ref.execution_id)
        if outcome is Outcome.CREATED:
            self._store.end(ref.instance_id, status=InstanceStatus.CANCELLED, error=WITHDRAWN)
            self._store.forget(ref.instance_id)
