"""From the ids that clients send to what they name, or NotFound."""

from __future__ import annotations

from chalicelib import ids
from chalicelib.core.plan import Plan
from chalicelib.core.records import Snapshot, StoredWorkflow
from chalicelib.core.work import Ref
from chalicelib.errors import NotFound
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store


class Resolver:
    """Workflows by execution_id; instances by instance_id, or by the execution_id of which they are the newest."""

    def __init__(self, store: Store, definitions: Definitions) -> None:
        self._store = store
        self._definitions = definitions

    def plan(self, execution_id: str) -> Plan:
        plan = self.find(execution_id)
        if plan is None:
            raise no_workflow(execution_id)
        return plan

    def find(self, execution_id: str) -> Plan | None:
        """None where the workflow is deleted: its instances are there still."""
        return self._definitions.current(execution_id) if ids.is_valid(execution_id, ids.EXECUTION) else None

    def plan_to_start(self, execution_id: str) -> Plan:
        """Of one that may be deleted since: whoever starts an instance of it is told so by the store (note_latest)."""
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
        if ids.is_valid(id, ids.INSTANCE):
            return id
        if not ids.is_valid(id, ids.EXECUTION):
            raise NotFound(f"`{id}` is neither an instance_id nor an execution_id")
        latest = self.workflow(id).latest
        if latest is None:
            raise NotFound(f"workflow `{id}` was never triggered: it has no instance")
        return latest


def no_workflow(execution_id: str) -> NotFound:
    return NotFound(f"there is no workflow `{execution_id}`")


def gone(instance_id: str) -> NotFound:
    return NotFound(f"there is no instance `{instance_id}`, or its retention is over")
