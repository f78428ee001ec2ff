"""Extends the leases of the nodes that run in this process. If it dies they run out, and the sweep takes over."""

from __future__ import annotations

import logging
import threading

from chalicelib.best_effort import best_effort
from chalicelib.core import failure
from chalicelib.core.transitions import Outcome
from chalicelib.store.protocol import Store

log = logging.getLogger(__name__)


class Heartbeat:
    """Extends the lease of every held node, three times in the length of a lease."""

    def __init__(self, store: Store, *, lease_ms: int) -> None:
        self._store = store
        self.lease_ms = lease_ms
        self._running: set[tuple[str, int, int]] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, instance_id: str, node: int, attempt: int) -> None:
        """Extend the lease of this attempt from now on. The caller has just claimed it."""
        with self._lock:
            self._running.add((instance_id, node, attempt))
            self._start()
        self._wake.set()

    def release(self, instance_id: str, node: int, attempt: int) -> None:
        """Extend it no longer: the attempt was committed or given up."""
        with self._lock:
            self._running.discard((instance_id, node, attempt))

    def holds(self, instance_id: str, node: int, attempt: int) -> bool:
        """Whether this process still had the lease at the last beat."""
        return (instance_id, node, attempt) in self._running

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="heart", daemon=True)
            thread.start()  # if this raises (no more threads), the next node tries again
            self._thread = thread

    def beat(self) -> None:
        """Extend every lease once."""
        with self._lock:
            running = sorted(self._running)
        for instance_id, node, attempt in running:
            try:
                outcome = self._store.extend(instance_id, node=node, attempt=attempt, lease_ms=self.lease_ms)
            except Exception as error:  # the next beat tries again; two may be missed before the lease ends
                where = {"instance_id": instance_id, "node_number": node, "attempt": attempt}
                best_effort(log.warning, "lease not extended", extra=where | {"error": failure.message_of(error)})
                continue
            if outcome is not Outcome.EXTENDED:
                with self._lock:
                    self._running.discard((instance_id, node, attempt))

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self.lease_ms / 3000)
            self.beat()
            with self._lock:
                if not self._running:
                    self._wake.clear()
            self._wake.wait()
