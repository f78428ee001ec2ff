"""Gauges: current values, read from the store and the queues when Prometheus scrapes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.errors import Unavailable
from chalicelib.queues.protocol import Queue
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Catalogue, Store

log = logging.getLogger(__name__)


class Gauge(NamedTuple):
    """A value with its name in Prometheus."""

    series: str
    help: str
    value: float


class Gauges:
    """Reads all gauges, except those that cannot be read: a scrape must not fail just when something is wrong."""

    def __init__(self, store: Store, catalogue: Catalogue, queue: Queue, dead_letters: Queue | None) -> None:
        self._store = store
        self._catalogue = catalogue
        self._queue = queue
        self._dead_letters = dead_letters

    def read(self) -> Iterator[Gauge]:
        for read in (self._of_store, self._of_queues):
            try:
                yield from read()
            except Unavailable as error:
                log.warning("gauges not known", extra={"error": str(error)})

    def _of_store(self) -> Iterator[Gauge]:
        now = self._store.pressure(late_ms=0)
        count = self._catalogue.counts()
        live = count[InstanceStatus.PENDING] + count[InstanceStatus.RUNNING]
        yield Gauge("dag_instances_live", "instances that have not ended", live)
        yield Gauge("dag_instances_overdue", "instances that the next sweep will look at", now.late)
        if now.memory is not None:
            yield Gauge("dag_store_memory_ratio", "the used share of the memory of Redis", now.memory)

    def _of_queues(self) -> Iterator[Gauge]:
        yield Gauge("dag_messages_waiting", "messages that wait for a worker", self._queue.backlog())
        if self._dead_letters is not None:
            waiting = self._dead_letters.backlog()
            yield Gauge("dag_dead_letters_waiting", "messages in the dead-letter queue", waiting)
