"""Plans by execution_id, kept in the process: a definition never changes. It may be deleted, though."""

from __future__ import annotations

import threading
from collections import OrderedDict

from chalicelib.core import delivery
from chalicelib.core.plan import Plan
from chalicelib.store.protocol import Store


class Definitions:
    """The most recently used plans, at most `size` of them. Safe to share between threads."""

    def __init__(self, store: Store, *, size: int = 128) -> None:
        self._store = store
        self._size = size
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def current(self, execution_id: str) -> Plan | None:
        """The plan, or None if the workflow is deleted, even after it was read here: so all processes answer alike.

        This asks the store each time. Raises Unavailable.
        """
        with self._lock:
            kept = execution_id in self._plans
        if kept and not self._store.has_workflow(execution_id):
            self.forget(execution_id)
            return None
        return self.get(execution_id)

    def forget(self, execution_id: str) -> None:
        """Drop the plan of a workflow that turned out to be deleted."""
        with self._lock:
            self._plans.pop(execution_id, None)

    def get(self, execution_id: str) -> Plan | None:
        """The plan, or None if the workflow is gone. A plan that is kept here is not read again. Raises Unavailable."""
        with self._lock:
            if plan := self._plans.get(execution_id):
                self._plans.move_to_end(execution_id)
                return plan
        plan = delivery.plan(execution_id)
        if plan is None:
            stored = self._store.workflow(execution_id)
            if stored is None:
                return None
            plan = Plan.from_json(stored.document)
        with self._lock:
            self._plans[execution_id] = plan
            while len(self._plans) > self._size:
                self._plans.popitem(last=False)
        return plan
