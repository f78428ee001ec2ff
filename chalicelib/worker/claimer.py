"""Claims nodes for this worker: those that a message names, and those that waited here for their next attempt."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence

from chalicelib.core.calls import Wanted
from chalicelib.core.plan import Plan
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.store.protocol import Store
from chalicelib.worker.heartbeat import Heartbeat
from chalicelib.worker.job import Delivery, InPlace, Job, WorkerLimits
from chalicelib.worker.sizing import Requirements

log = logging.getLogger("chalicelib.worker.worker")


class Claimer:
    """Shared by all threads of a worker; holds no state of its own."""

    def __init__(
        self,
        *,
        store: Store,
        heartbeat: Heartbeat,
        requirements: Requirements,
        limits: WorkerLimits,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._heartbeat = heartbeat
        self._requirements = requirements
        self._limits = limits
        self._clock = clock

    def claim(
        self,
        ref: Ref,
        plan: Plan,
        nodes: Sequence[Ready],
        *,
        deadline: float,
        delivery: Delivery | None,
        message: bool = True,
        hop_until: float | None = None,
        in_place: InPlace | None = None,
    ) -> list[Job]:
        """The jobs of the nodes that are this worker's from now on. `message`: a message of the queue asks for them."""
        owner = secrets.token_hex(4)  # so that a finished record has no more than the 64 bytes of a compact hash
        wanted = [Wanted(ready.node, ready.attempt, self._requirements.needs(plan, ready.node)) for ready in nodes]
        claim = self._store.claim(
            ref.instance_id, owner=owner, lease_ms=self._heartbeat.lease_ms, wanted=wanted, message=message
        )
        if delivery:
            delivery = Delivery(delivery.message_id, delivery.carrier, claim.waited_ms)
        fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id}
        if message:
            log.debug("message received", extra=fields | {"outcome": claim.outcome})
        hop_until = self._clock() + self._limits.hop if hop_until is None else hop_until
        jobs = []
        for want, claimed in zip(wanted, claim.nodes, strict=False):
            if claimed.outcome is not Outcome.CLAIMED:
                node = {"node": plan.nodes[claimed.node].id, "attempt": claimed.attempt}
                if message:
                    log.debug("message refused", extra=fields | node | {"why": claimed.outcome})
                else:
                    log.debug("claim refused", extra=fields | node | {"why": claimed.outcome})
                continue
            results = {
                node: value for node, value in zip(want.needs, claimed.results, strict=True) if value is not None
            }
            jobs.append(
                Job(
                    ref=ref,
                    plan=plan,
                    node=claimed.node,
                    attempt=claimed.attempt,
                    failures=claimed.failures,
                    epoch=claim.epoch,
                    owner=owner,
                    params=claim.params,
                    results=results,
                    deadline=deadline,
                    hop_until=hop_until,
                    delivery=delivery,
                    hop=not message,
                    in_place=in_place,
                )
            )
            # Who runs the job lets go of it.
            self._heartbeat.hold(ref.instance_id, claimed.node, claimed.attempt)
        return jobs

    def again(self, job: Job) -> list[Job]:
        """The next attempt of a job that failed here, if nothing else has happened to the node meanwhile."""
        ready = Ready(job.node, job.attempt + 1)
        return self.claim(job.ref, job.plan, [ready], deadline=job.deadline, delivery=job.delivery, message=False)
