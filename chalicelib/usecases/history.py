"""The history of an instance, a page of events at a time, and the reason for the state of a node."""

from __future__ import annotations

from chalicelib.core import events
from chalicelib.core.plan import Plan
from chalicelib.errors import InvalidDocument, Problem
from chalicelib.models.views import EventView, HistoryView
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Store
from chalicelib.usecases.present import rfc3339
from chalicelib.usecases.resolver import Resolver, find_node, no_node


class History:
    """The use case. Its answers are bounded: the store keeps a limited log, and `forgotten` counts what it dropped."""

    def __init__(self, store: Store, resolver: Resolver) -> None:
        self._store = store
        self._resolver = resolver

    def of(self, id: str, *, node: str | None, limit: int, cursor: int) -> HistoryView:
        """The events from the `cursor`-th on, the oldest first; with `node`, without the events of other nodes."""
        snapshot = self._resolver.snapshot(id)
        plan = self._resolver.plan(snapshot.execution_id)
        number = None if node is None else find_node(plan, node)
        if node is not None and number is None:
            raise InvalidDocument([Problem("/query/node", f"{no_node(node)} in this workflow")])
        log, archive = self._store.history(snapshot.instance_id), self._store.archive(snapshot.instance_id)
        happened = events.history(plan, snapshot, log, archive)
        if number is not None:
            happened = [one for one in happened if one.node in (number, None)]
        page = happened[cursor : cursor + limit]
        terminal = InstanceStatus(snapshot.status).terminal
        return HistoryView(
            instance_id=snapshot.instance_id,
            events=[_event(plan, one) for one in page],
            next=str(cursor + limit) if cursor + limit < len(happened) else None,
            forgotten=snapshot.forgotten,
            why={}
            if number is None
            else {plan.nodes[number].id: events.why(plan, snapshot, number, terminal=terminal)},
        )


def _event(plan: Plan, one: events.Happened) -> EventView:
    return EventView(
        at=rfc3339(one.at),
        event=one.event,
        node=None if one.node is None else plan.nodes[one.node].id,
        attempt=one.attempt,
        epoch=one.epoch,
        worker=one.worker,
        reason=one.reason,
    )
