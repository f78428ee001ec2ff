"""Plans by execution_id, kept in the process: definitions are immutable, so they never go stale."""

from __future__ import annotations

import threading
from collections import OrderedDict

from chalicelib.core import delivery
from chalicelib.core.plan import Plan
from chalicelib.protocols import Store


class Definitions:
    """The most recently used plans, at most `size` of them. Safe to share between threads."""

    def __init__(self, store: Store, *, size: int = 128) -> None:
        self._store = store
        self._size = size
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, execution_id: str) -> Plan | None:
        """The plan, or None when the workflow is gone. Raises Unavailable."""
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
