"""Finds the workflow, instance or node that an id from a client means."""

from __future__ import annotations

from chalicelib import ids
from chalicelib.core.plan import Plan
from chalicelib.core.records import Snapshot, StoredWorkflow
from chalicelib.core.work import Ref
from chalicelib.errors import NotFound
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store


class Resolver:
    """Finds workflows by execution_id, and instances by instance_id or as the newest one of an execution_id."""

    def __init__(self, store: Store, definitions: Definitions) -> None:
        self._store = store
        self._definitions = definitions

    def plan(self, execution_id: str) -> Plan:
        plan = self.find(execution_id)
        if plan is None:
            raise no_workflow(execution_id)
        return plan

    def find(self, execution_id: str) -> Plan | None:
        """The plan, or None if the workflow is deleted, which its instances may outlive."""
        return self._definitions.current(execution_id) if ids.is_valid(execution_id, ids.EXECUTION) else None

    def plan_to_start(self, execution_id: str) -> Plan:
        """The plan, perhaps of a workflow that was deleted: note_latest finds that out when an instance starts."""
        plan = self._definitions.get(execution_id) if ids.is_valid(execution_id, ids.EXECUTION) else None
        if plan is None:
            raise no_workflow(execution_id)
        return plan

    def workflow(self, execution_id: str) -> StoredWorkflow:
        stored = self._store.workflow(execution_id)
        if stored is None:
            raise no_workflow(execution_id)
        return stored

    def ref(self, id: str) -> Ref:
        instance_id = self.instance_id(id)
        execution_id = self._store.execution_of(instance_id)
        if execution_id is None:
            raise gone(instance_id)
        return Ref(instance_id, execution_id)

    def snapshot(self, id: str, *, whole: bool = True) -> Snapshot:
        instance_id = self.instance_id(id)
        snapshot = self._store.snapshot(instance_id, whole=whole)
        if snapshot is None:
            raise gone(instance_id)
        return snapshot

    def instance_id(self, id: str) -> str:
        """The instance that an id means. Raises NotFound if it means a workflow without instances."""
        meant = self._meant(id)
        if isinstance(meant, str):
            return meant
        if meant.latest is None:
            raise NotFound(f"workflow `{id}` was never triggered: it has no instance")
        return meant.latest

    def instance_or_workflow(self, id: str) -> str | StoredWorkflow:
        """The instance that an id means, or the workflow if it has no instance or its newest one is past retention.

        For an execution_id this asks the store whether the newest instance is there.
        """
        meant = self._meant(id)
        if isinstance(meant, str):
            return meant
        return meant if meant.latest is None or self._store.status(meant.latest) is None else meant.latest

    def _meant(self, id: str) -> str | StoredWorkflow:
        """The id itself if it is an instance_id, else the workflow, whose newest instance it means."""
        if ids.is_valid(id, ids.INSTANCE):
            return id
        if not ids.is_valid(id, ids.EXECUTION):
            raise NotFound(f"`{id}` is neither an instance_id nor an execution_id")
        return self.workflow(id)


def find_node(plan: Plan, id: str) -> int | None:
    """The index of a node by its id, or None if the workflow has no such node."""
    return plan.index.get(id)


def no_workflow(execution_id: str) -> NotFound:
    return NotFound(f"there is no workflow `{execution_id}`")


def no_node(id: str) -> str:
    """The detail of the error, whose type depends on where the id was given."""
    return f"there is no node `{id[:60]}`"


def gone(instance_id: str) -> NotFound:
    return NotFound(f"there is no instance `{instance_id}`, or its retention is over")
