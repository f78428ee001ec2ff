"""Turns the engine's events into figures: values by metric, and by handler."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from chalicelib import ids
from chalicelib.metrics import catalogue
from chalicelib.metrics.catalogue import Metric
from chalicelib.metrics.protocol import NodeEnd
from chalicelib.states import InstanceStatus

# Values by metric; durations are seconds.
Figures = Mapping[Metric, Sequence[float]]


class Sink(Protocol):
    """Takes figures, from any thread."""

    def add(self, figures: Figures, handler: str = "") -> None:
        """Add the figures, of this handler if one is given."""

    def flush(self) -> None: ...


_ENDED = {
    InstanceStatus.COMPLETED: catalogue.INSTANCES_COMPLETED,
    InstanceStatus.FAILED: catalogue.INSTANCES_FAILED,
    InstanceStatus.CANCELLED: catalogue.INSTANCES_CANCELLED,
}


class Recorder:
    """See protocol.Metrics."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def started(self) -> None:
        self._sink.add({catalogue.INSTANCES_STARTED: [1]})

    def ended(self, instance_id: str, status: str) -> None:
        # The clocks of two processes may differ. That is good enough here, since no decision depends on it.
        seconds = time.time() - ids.milliseconds(instance_id) / 1000
        self._sink.add({_ENDED[InstanceStatus(status)]: [1], catalogue.INSTANCE_DURATION: [max(0.0, seconds)]})

    def claimed(self, waited: float) -> None:
        self._sink.add({catalogue.QUEUE_DELAY: [waited]})

    def nodes(self, ended: Iterable[NodeEnd]) -> None:
        by_handler: dict[str, list[NodeEnd]] = {}
        for one in ended:
            by_handler.setdefault(one.handler, []).append(one)
        for handler, nodes in by_handler.items():
            figures: dict[Metric, Sequence[float]] = {
                catalogue.NODE_DURATION: [node.seconds for node in nodes],
                catalogue.NODE_ATTEMPTS: [node.attempts for node in nodes],
            }
            if failed := [1 for node in nodes if node.failed]:
                figures[catalogue.NODES_FAILED] = failed
            self._sink.add(figures, handler)

    def lost(self, handler: str) -> None:
        self._sink.add({catalogue.NODES_FAILED: [1]}, handler)

    def dispatched(self, lags: Iterable[float]) -> None:
        if values := list(lags):
            self._sink.add({catalogue.DISPATCH_LAG: values})

    def swept(self, *, nodes: int, failed: int, late: float) -> None:
        # Zeros are reported, too: an alarm on the lag needs values while the sweep finds nothing.
        self._sink.add(
            {catalogue.SWEEP_REPAIRS: [nodes], catalogue.SWEEP_FAILURES: [failed], catalogue.SWEEP_LAG: [late]}
        )

    def dead_letters(self, count: int) -> None:
        self._sink.add({catalogue.DEAD_LETTERS: [count]})

    def refused(self) -> None:
        self._sink.add({catalogue.REFUSED: [1]})

    def invoked(self, dollars: float) -> None:
        self._sink.add({catalogue.COST: [dollars]})

    def flush(self) -> None:
        self._sink.flush()
