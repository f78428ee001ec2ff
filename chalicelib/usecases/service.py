"""What the HTTP interface does: submit, trigger, status, results, health. Knows protocols, not transports."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from chalicelib import ids
from chalicelib.core import definition, strictjson
from chalicelib.core.calls import Children
from chalicelib.core.handler import Handler
from chalicelib.core.node_error import NodeError
from chalicelib.core.plan import Plan
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.errors import NotFound, Unavailable
from chalicelib.models.views import Health, Planned, ResultsView, StatusView, Submitted, Triggered
from chalicelib.models.workflow import Trigger
from chalicelib.queues.protocol import Queue
from chalicelib.scheduling import Dispatch, Settler
from chalicelib.states import InstanceStatus
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store
from chalicelib.tracing.tracer import Tracer
from chalicelib.usecases import present, request_body
from chalicelib.usecases.admission import Admission
from chalicelib.usecases.request_body import BodyLimits
from chalicelib.usecases.resolver import Resolver, gone, no_workflow
from chalicelib.usecases.results import Results
from chalicelib.usecases.webhooks import Webhooks

WITHDRAWN = NodeError("Withdrawn", "its workflow was deleted before it began").encode()

log = logging.getLogger(__name__)


class Service:
    """The use cases. Raises the errors of chalicelib.errors."""

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        definitions: Definitions,
        resolver: Resolver,
        dispatch: Dispatch,
        settler: Settler,
        handlers: Mapping[str, Handler],
        admission: Admission,
        tracer: Tracer,
        planned: Callable[[Plan], Planned],
        webhooks: Webhooks,
        results: Results,
        limits: BodyLimits,
        versions: Mapping[str, str],
    ) -> None:
        self._store = store
        self._queue = queue
        self._definitions = definitions
        self._resolver = resolver
        self._dispatch = dispatch
        self._settler = settler
        self._handlers = handlers
        self._admission = admission
        self._tracer = tracer
        self._planned = planned
        self._webhooks = webhooks
        self._results = results
        self._limits = limits
        self._versions = versions

    def submit(self, body: bytes, idempotency_key: str | None) -> Submitted:
        """Validate a workflow and store it."""
        document = request_body.document(body, self._limits)
        workflow = definition.check(document, self._handlers, max_nodes=self._limits.nodes)
        self._admission.submit()
        execution_id, again = self._id(ids.EXECUTION, "submit", idempotency_key, body)
        stored = workflow.model_dump_json(exclude_defaults=True).encode()
        with self._tracer.submit(execution_id, again=again):
            created_at = self._store.put_workflow(
                execution_id, name=workflow.name, document=stored, schema=Plan.from_json(stored).terms.schema
            )
        log.info("workflow stored", extra={"execution_id": execution_id, "nodes": len(workflow.dag.nodes)})
        return Submitted(
            execution_id=execution_id,
            name=workflow.name,
            nodes=len(workflow.dag.nodes),
            created_at=present.rfc3339(created_at),
        )

    def trigger(self, execution_id: str, body: bytes, idempotency_key: str | None) -> Triggered:
        """Start a new instance of a stored workflow."""
        plan = self._resolver.plan_to_start(execution_id)
        wanted = request_body.read(body, Trigger, self._limits)
        self._admission.trigger()
        instance_id, again = self._id(ids.INSTANCE, f"trigger/{execution_id}", idempotency_key, body)
        ref = Ref(instance_id, execution_id)
        with self._tracer.trigger(ref, again=again):
            return self._start(ref, plan, wanted)

    def status(self, id: str, wait_seconds: float = 0, *, nodes: bool = True) -> StatusView:
        """Of an instance; by an execution_id, of its newest one. Answers early when it is terminal within the wait.

        Without `nodes` it takes the same time whatever the size of the workflow.
        """
        instance_id = id
        if ids.is_valid(id, ids.EXECUTION):
            workflow = self._resolver.workflow(id)
            if workflow.latest is None or self._store.status(workflow.latest) is None:
                plan = self._resolver.plan(id)
                return present.never_triggered(workflow, plan, self._planned(plan), nodes=nodes)
            instance_id = workflow.latest
        elif not ids.is_valid(id, ids.INSTANCE):
            raise NotFound(f"`{id}` is neither an instance_id nor an execution_id")
        if wait_seconds > 0:
            current = self._store.status(instance_id)
            if current is not None and not InstanceStatus(current).terminal:
                self._prepare(instance_id)
                self._store.wait_terminal(instance_id, wait_seconds)
        snapshot = self._store.snapshot(instance_id, whole=nodes)
        if snapshot is None:
            raise gone(instance_id)
        found = self._resolver.find(snapshot.execution_id)
        if found is None:
            return present.definition_gone(snapshot)
        webhook = self._webhooks.view(snapshot, found)
        return present.status(snapshot, found, self._planned(found), nodes=nodes, webhook=webhook)

    def _prepare(self, instance_id: str) -> None:
        """Work out what the answer will need while the instance runs: nobody is to wait for that at its end."""
        execution_id = self._store.execution_of(instance_id)
        if execution_id and (plan := self._definitions.get(execution_id)):
            self._planned(plan)

    def results(self, id: str, epoch: int | None = None, *, mount: str = "") -> ResultsView:
        """For who reads it here."""
        return ResultsView(**json.loads(self.results_json(id, epoch, mount=mount)))

    def results_json(self, id: str, epoch: int | None = None, *, mount: str = "") -> str:
        """See results.py."""
        return self._results.of(id, epoch, mount=mount)

    def health(self) -> Health:
        """Whether the store and the queue answer, and whether new instances are let in.

        That they are not is no reason for a 503: what runs goes on, and a balancer must not take the API away.
        """
        store = queue = "ok"
        versions = dict(self._versions)
        # What exactly is wrong names hosts and ports: it goes to the log, not to whoever asks.
        try:
            versions["store"] = self._store.ping()
        except Unavailable as error:
            store = "unreachable"
            log.error("store unreachable", extra={"error": str(error)})
        try:
            self._queue.ping()
        except Unavailable as error:
            queue = "unreachable"
            log.error("queue unreachable", extra={"error": str(error)})
        status = "ok" if store == queue == "ok" else "degraded"
        load = (self._admission.why_not() or "ok") if store == "ok" else "not known"
        return Health(status=status, store=store, queue=queue, load=load, versions=versions)

    def _start(self, ref: Ref, plan: Plan, wanted: Trigger) -> Triggered:
        items, cursor = plan.unblocks(-1)
        outcome, created_at = self._store.create(
            ref,
            total=len(plan.nodes),
            params=strictjson.dumps(wanted.params).encode(),
            roots=Children(items, cursor),
            by=self._dispatch.by,
            terms=replace(plan.terms, tags={**plan.terms.tags, **wanted.tags}),
        )
        if not self._store.note_latest(ref.execution_id, ref.instance_id):
            self._withdraw(ref, outcome)
            raise no_workflow(ref.execution_id)
        self._dispatch.unblocked(ref, plan, [Ready(root, 1) for root in items[::2]])
        self._settler.settle(ref, plan, -1, cursor, failed=False)
        log.info("instance created", extra={"instance_id": ref.instance_id, "execution_id": ref.execution_id})
        return Triggered(
            instance_id=ref.instance_id, execution_id=ref.execution_id, created_at=present.rfc3339(created_at)
        )

    def _withdraw(self, ref: Ref, outcome: Outcome) -> None:
        """The workflow was deleted, and this process had not heard: nothing was sent of the instance yet."""
        self._definitions.forget(ref.execution_id)
        if outcome is Outcome.CREATED:
            self._store.end(ref.instance_id, status=InstanceStatus.CANCELLED, error=WITHDRAWN)
            self._store.forget(ref.instance_id)

    def _id(self, kind: str, scope: str, key: str | None, body: bytes) -> tuple[str, bool]:
        """A fresh id; with an Idempotency-Key, the one that the key was first used for, and whether that was before."""
        id = ids.new(kind)
        bound = request_body.bind(self._store, scope, key, body=body, id=id)
        return bound, bound != id
