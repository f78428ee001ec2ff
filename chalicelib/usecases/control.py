"""Controls instances, running and ended: cancel, pause, resume, rerun, delete."""

from __future__ import annotations

import logging
from collections.abc import Callable

from chalicelib import ids
from chalicelib.core import strictjson
from chalicelib.core.node_error import NodeError
from chalicelib.core.plan import Plan
from chalicelib.core.rerun import plan_rerun
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.errors import Conflict, InvalidDocument, Problem, ValuesUnavailable
from chalicelib.models.views import Planned, Restarted, StatusView
from chalicelib.models.workflow import Reason, Rerun
from chalicelib.scheduling import Dispatch, Settler
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Store
from chalicelib.usecases import present, request_body
from chalicelib.usecases.request_body import BodyLimits
from chalicelib.usecases.resolver import Resolver, find_node, gone, no_node, no_workflow
from chalicelib.usecases.webhooks import Webhooks

log = logging.getLogger(__name__)


class Control:
    """The use cases. Each is idempotent: a second request changes nothing."""

    def __init__(
        self,
        *,
        store: Store,
        resolver: Resolver,
        dispatch: Dispatch,
        settler: Settler,
        forecast_usage: Callable[[Plan], Planned],
        webhooks: Webhooks,
        limits: BodyLimits,
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._dispatch = dispatch
        self._settler = settler
        self._forecast_usage = forecast_usage
        self._webhooks = webhooks
        self._limits = limits

    def cancel(self, id: str, body: bytes) -> StatusView:
        """End an instance. Running handlers see it in their context, and their results are refused."""
        reason = request_body.read(body, Reason, self._limits).reason
        ref = self._resolver.ref(id)
        error = NodeError("Cancelled", reason or "somebody asked for it").encode()
        if self._store.end(ref.instance_id, status=InstanceStatus.CANCELLED, error=error) is Outcome.ENDED:
            log.info("instance cancelled", extra=_of(ref))
            self._settler.run(ref.instance_id)  # it may owe a webhook
        elif (status := self._status(ref)) is not InstanceStatus.CANCELLED:
            raise Conflict(f"instance `{ref.instance_id}` is {status} already: there is nothing to cancel")
        return self._view(ref)

    def pause(self, id: str) -> StatusView:
        """Start no further node until the instance is resumed. Running nodes go on."""
        ref = self._resolver.ref(id)
        self._live(ref, self._store.pause(ref.instance_id))
        log.info("instance paused", extra=_of(ref))
        return self._view(ref)

    def resume(self, id: str) -> StatusView:
        ref = self._resolver.ref(id)
        self._live(ref, self._store.resume(ref.instance_id))
        log.info("instance resumed", extra=_of(ref))
        self._settler.run(ref.instance_id)
        return self._view(ref)

    def rerun(self, id: str, body: bytes, idempotency_key: str | None) -> Restarted:
        """Begin the next epoch of a terminal instance: from the nodes in the body, or with those left undone."""
        wanted = request_body.read(body, Rerun, self._limits)
        snapshot = self._resolver.snapshot(id)
        ref = Ref(snapshot.instance_id, snapshot.execution_id)
        plan = self._resolver.plan(ref.execution_id)
        epoch = self._epoch(ref, snapshot.epoch, body, idempotency_key)
        if epoch < snapshot.epoch:  # the same request was answered before
            return self._restarted(ref, snapshot.epoch, 0)
        if not InstanceStatus(snapshot.status).terminal:
            raise Conflict(f"instance `{ref.instance_id}` is {snapshot.status}: wait for its end, or cancel it first")
        every = wanted.params is not None and not wanted.nodes
        chosen = range(len(plan.nodes)) if every else _indices(plan, wanted.nodes)
        rerun_nodes = plan_rerun(plan, snapshot.records, chosen)
        if not rerun_nodes.ready:
            raise Conflict(f"every node of `{ref.instance_id}` completed: say in `from` which are to run again")
        params = None if wanted.params is None else strictjson.dumps(wanted.params).encode()
        outcome = self._store.rerun(
            ref.instance_id,
            epoch=epoch,
            nodes=rerun_nodes,
            params=params,
            reason=f"from {', '.join(wanted.nodes)}"[:200] if wanted.nodes else "",
            by=self._dispatch.by,
        )
        if outcome is Outcome.GONE:
            raise gone(ref.instance_id)
        if outcome is not Outcome.RERUN:
            raise Conflict(f"instance `{ref.instance_id}` was run again by somebody else at the same time")
        log.info("instance run again", extra=_of(ref))
        self._dispatch.unblocked(ref, plan, [Ready(node, rerun_nodes.first) for node in rerun_nodes.ready])
        return self._restarted(ref, epoch + 1, len(rerun_nodes.ready) + len(rerun_nodes.waiting))

    def delete(self, id: str) -> None:
        """Delete a terminal instance, or a workflow, with all that is stored of it."""
        if ids.is_valid(id, ids.EXECUTION):
            if not self._store.forget_workflow(id):
                raise no_workflow(id)
            log.info("workflow deleted", extra={"execution_id": id})
            return
        snapshot = self._resolver.snapshot(id, whole=False)
        ref = Ref(snapshot.instance_id, snapshot.execution_id)
        outcome = self._store.forget(ref.instance_id)
        if outcome is Outcome.LIVE:
            raise Conflict(f"instance `{ref.instance_id}` still runs: cancel it first")
        log.info("instance deleted", extra=_of(ref))
        self._webhooks.forget(snapshot)
        if outcome is Outcome.LEFT:
            try:
                self._settler.run(ref.instance_id)
            except ValuesUnavailable as error:  # the instance stays in the index until they are gone
                log.warning("large results left to the sweep", extra=_of(ref) | {"error": str(error)})

    def _epoch(self, ref: Ref, current: int, body: bytes, key: str | None) -> int:
        """The epoch that this request ends: with an Idempotency-Key, the epoch in which it was first sent."""
        return int(request_body.bind(self._store, f"rerun/{ref.instance_id}", key, body=body, id=str(current)))

    def _restarted(self, ref: Ref, epoch: int, nodes: int) -> Restarted:
        return Restarted(instance_id=ref.instance_id, execution_id=ref.execution_id, epoch=epoch, nodes=nodes)

    def _live(self, ref: Ref, outcome: Outcome) -> None:
        if outcome is Outcome.GONE:
            raise gone(ref.instance_id)
        if outcome is Outcome.CLOSED:
            raise Conflict(f"instance `{ref.instance_id}` is {self._status(ref)}: it has ended")

    def _status(self, ref: Ref) -> InstanceStatus:
        status = self._store.status(ref.instance_id)
        if status is None:
            raise gone(ref.instance_id)
        return InstanceStatus(status)

    def _view(self, ref: Ref) -> StatusView:
        snapshot = self._resolver.snapshot(ref.instance_id, whole=False)
        plan = self._resolver.find(ref.execution_id)
        if plan is None:  # the request itself has succeeded
            return present.definition_gone(snapshot)
        webhook = self._webhooks.view(snapshot, plan)
        return present.status(snapshot, plan, self._forecast_usage(plan), nodes=False, webhook=webhook)


def _of(ref: Ref) -> dict[str, str]:
    return {"instance_id": ref.instance_id, "execution_id": ref.execution_id}


def _indices(plan: Plan, node_ids: list[str]) -> set[int]:
    found = {id: find_node(plan, id) for id in node_ids}
    unknown = [Problem(f"/from/{place}", no_node(id)) for place, id in enumerate(node_ids) if found[id] is None]
    if unknown:
        raise InvalidDocument(unknown)
    return {index for index in found.values() if index is not None}
