"""Keeps the newest reading of the load, and refuses what the service cannot carry now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from chalicelib.core import admission
from chalicelib.core.admission import Ceilings, Load
from chalicelib.errors import Overloaded, Unavailable
from chalicelib.metrics.protocol import OFF, Metrics
from chalicelib.queues.protocol import Queue
from chalicelib.store.protocol import Store

T = TypeVar("T")

# How old a reading may be. A process costs the queue and the store one question each in that time, whatever comes in.
FRESH_SECONDS = 5.0

log = logging.getLogger(__name__)


class Admission:
    """In front of submit and trigger. Nobody waits for a reading that somebody else makes: the last one will do."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        ceilings: Ceilings,
        *,
        clock: Callable[[], float],
        metrics: Metrics = OFF,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._queue = queue
        self._ceilings = ceilings
        self._clock = clock
        self._reading = threading.Lock()
        self._load = Load()
        self._until = float("-inf")

    def submit(self) -> None:
        """Raises Overloaded where nothing more can be stored. A workflow costs memory, and no worker's time."""
        self._refuse(admission.full(self.load(), self._ceilings))

    def trigger(self) -> None:
        """Raises Overloaded where no instance more can be carried."""
        self._refuse(self.why_not())

    def why_not(self) -> str | None:
        """Why no new instance is let in, or None."""
        return admission.behind(self.load(), self._ceilings)

    def load(self) -> Load:
        if self._clock() >= self._until and self._reading.acquire(blocking=False):
            try:
                self._load = self._read()
                self._until = self._clock() + FRESH_SECONDS
            finally:
                self._reading.release()
        return self._load

    def _refuse(self, why: str | None) -> None:
        if why is None:
            return
        self._metrics.refused()
        raise Overloaded(f"{why}. What runs goes on; nothing of this request was kept: send it again after Retry-After")

    def _read(self) -> Load:
        # Without the store nothing begins, and nobody is to wait for it twice. Without the queue the sweep sends.
        pressure = _asked(lambda: self._store.pressure(late_ms=self._ceilings.late_ms), but=Unavailable)
        return Load(
            backlog=_asked(self._queue.backlog),
            memory=pressure.memory if pressure else None,
            late=pressure.late if pressure else None,
        )


def _asked(question: Callable[[], T], *, but: type[Exception] | tuple[()] = ()) -> T | None:
    """None where the question goes wrong: a reading that is missing must not refuse what might well succeed."""
    try:
        return question()
    except but:
        raise
    except Exception as error:
        log.warning("load not known", extra={"error": str(error)})
        return None
