"""Keeps the latest reading of the load, and refuses work that the service cannot take on now."""

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

# How old a reading may be. In that time a process asks the queue and the store once each, however many requests come.
FRESH_SECONDS = 5.0

log = logging.getLogger(__name__)


class Admission:
    """Stands before submit and trigger. While one thread takes a reading, the others use the last one."""

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
        """Raise Overloaded if nothing more can be stored. A workflow takes memory, and no time of a worker."""
        self._refuse(admission.full(self.load(), self._ceilings))

    def trigger(self) -> None:
        """Raise Overloaded if no further instance can be taken on."""
        self._refuse(self.why_not())

    def why_not(self) -> str | None:
        """The reason why no new instance is admitted, or None."""
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
        # Without the store nothing can begin: raising its error spares the caller a second timeout.
        # Without the queue work can begin, since the sweep sends later.
        pressure = _asked(lambda: self._store.pressure(late_ms=self._ceilings.late_ms), but=Unavailable)
        return Load(
            backlog=_asked(self._queue.backlog),
            memory=pressure.memory if pressure else None,
            late=pressure.late if pressure else None,
        )


def _asked(question: Callable[[], T], *, but: type[Exception] | tuple[()] = ()) -> T | None:
    """The answer, or None if asking fails: work is not refused for lack of a reading."""
    try:
        return question()
    except but:
        raise
    except Exception as error:
        log.warning("load not known", extra={"error": str(error)})
        return None
