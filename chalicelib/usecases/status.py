"""Shows the status of an instance, after a wait for its end if the client asks for one."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.core.plan import Plan
from chalicelib.models.views import Planned, StatusView
from chalicelib.states import InstanceStatus
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store
from chalicelib.usecases import present
from chalicelib.usecases.resolver import Resolver
from chalicelib.usecases.webhooks import Webhooks


class Status:
    """The use case. `forecast_usage` forecasts the messages and transitions of a run."""

    def __init__(
        self,
        *,
        store: Store,
        definitions: Definitions,
        resolver: Resolver,
        forecast_usage: Callable[[Plan], Planned],
        webhooks: Webhooks,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._resolver = resolver
        self._forecast_usage = forecast_usage
        self._webhooks = webhooks

    def of(self, id: str, wait_seconds: float = 0, *, nodes: bool = True) -> StatusView:
        """The status of an instance, or of the newest one of a workflow. The wait is over when the instance ends.

        Without `nodes` it takes the same time for a workflow of any size.
        """
        found = self._resolver.instance_or_workflow(id)
        if not isinstance(found, str):
            plan = self._resolver.plan(id)
            return present.never_triggered(found, plan, self._forecast_usage(plan), nodes=nodes)
        if wait_seconds > 0:
            self._wait(found, wait_seconds)
        snapshot = self._resolver.snapshot(found, whole=nodes)
        defined = self._resolver.find(snapshot.execution_id)
        if defined is None:
            return present.definition_gone(snapshot)
        webhook = self._webhooks.view(snapshot, defined)
        return present.status(snapshot, defined, self._forecast_usage(defined), nodes=nodes, webhook=webhook)

    def _wait(self, instance_id: str, seconds: float) -> None:
        current = self._store.status(instance_id)
        if current is not None and not InstanceStatus(current).terminal:
            self._prepare(instance_id)
            self._store.wait_terminal(instance_id, seconds)

    def _prepare(self, instance_id: str) -> None:
        """Compute what the answer needs while the instance still runs, so that its end is reported without delay."""
        execution_id = self._store.execution_of(instance_id)
        if execution_id and (plan := self._definitions.get(execution_id)):
            self._forecast_usage(plan)
