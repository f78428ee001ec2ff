"""Triggers a workflow, and waits for the end of the instance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core import failure
from chalicelib.errors import DagServiceError
from chalicelib.models.views import Triggered
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Store
from chalicelib.usecases.resolver import Resolver
from chalicelib.usecases.results import Results
from chalicelib.usecases.triggering import Triggering

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """`finished` is a Finished as JSON; None if the instance had not ended in time."""

    triggered: Triggered
    finished: str | None


class Runs:
    """The use case."""

    def __init__(
        self,
        *,
        store: Store,
        resolver: Resolver,
        triggering: Triggering,
        results: Results,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._triggering = triggering
        self._results = results
        self._clock = clock

    def start(
        self, execution_id: str, body: bytes, idempotency_key: str | None, wait_seconds: float, *, mount: str = ""
    ) -> Run:
        """Start a new instance, and wait for its end. The trigger takes its time from that of the wait.

        Once the instance exists, nothing is raised: a client that gets an error would trigger another one.
        """
        until = self._clock() + wait_seconds
        triggered = self._triggering.trigger(execution_id, body, idempotency_key)
        try:
            return Run(triggered, self._finished(triggered, until, mount))
        except Exception as error:
            fields = {"instance_id": triggered.instance_id, "execution_id": triggered.execution_id}
            foreseen = isinstance(error, DagServiceError)
            log.warning("end not read", exc_info=not foreseen, extra=fields | {"error": failure.message_of(error)})
            return Run(triggered, None)

    def _finished(self, triggered: Triggered, until: float, mount: str) -> str | None:
        # A small instance ended in the trigger's first hop, and is read once.
        now = self._resolver.snapshot(triggered.instance_id, whole=False)
        if not InstanceStatus(now.status).terminal and (left := until - self._clock()) > 0:
            self._store.wait_terminal(triggered.instance_id, left)
            now = self._resolver.snapshot(triggered.instance_id, whole=False)
        if not InstanceStatus(now.status).terminal:
            return None
        plan = self._resolver.plan_to_start(triggered.execution_id)
        return self._results.finished(now, plan, mount=mount)
