"""Makes the metrics, and wraps the parts that are measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from chalicelib.errors import NotFound
from chalicelib.metrics.protocol import OFF, Metrics

if TYPE_CHECKING:
    from chalicelib.invocation import Part
    from chalicelib.metrics.gauges import Gauges
    from chalicelib.metrics.prometheus import Prometheus
    from chalicelib.metrics.recorder import Sink
    from chalicelib.queues.protocol import Queue
    from chalicelib.settings import Settings
    from chalicelib.store.protocol import Store


class Unmetered:
    """METRICS=none: nothing is wrapped."""

    metrics: Metrics = OFF
    parts: tuple[Part, ...] = ()

    def store(self, store: Store) -> Store:
        return store

    def queue(self, queue: Queue) -> Queue:
        return queue

    def exposition(self, accept: str) -> tuple[str, str]:
        """The text and its content type. Raises NotFound where metrics do not go to Prometheus."""
        raise NotFound("metrics are not kept for Prometheus here: METRICS is not `prometheus`")


class Metering(Unmetered):
    """The wrapped store and queue report events and count calls; each invocation reports its cost at its end."""

    def __init__(self, sink: Sink, *, memory_gb: float, clock: Callable[[], float]) -> None:
        from chalicelib.metrics.meter import InvocationMeter
        from chalicelib.metrics.metered import CallCounts
        from chalicelib.metrics.recorder import Recorder

        self._tally = CallCounts()
        self.metrics = Recorder(sink)
        self.parts = (InvocationMeter(self.metrics, self._tally, memory_gb=memory_gb, clock=clock).part,)

    def store(self, store: Store) -> Store:
        from chalicelib.metrics.metered import MeteredStore

        return cast("Store", MeteredStore(store, self.metrics, self._tally))

    def queue(self, queue: Queue) -> Queue:
        from chalicelib.metrics.metered import MeteredQueue

        return MeteredQueue(queue, self._tally)


class Exposed(Metering):
    """METRICS=prometheus."""

    def __init__(self, prometheus: Prometheus, *, memory_gb: float, clock: Callable[[], float]) -> None:
        super().__init__(prometheus, memory_gb=memory_gb, clock=clock)
        self._prometheus = prometheus

    def exposition(self, accept: str) -> tuple[str, str]:
        return self._prometheus.exposition(accept)


def make(settings: Settings, *, clock: Callable[[], float], gauges: Callable[[], Gauges]) -> Unmetered:
    memory_gb = settings.aws_lambda_function_memory_size / 1024
    if settings.metrics == "none":
        return Unmetered()
    if settings.metrics == "emf":
        from chalicelib.metrics.emf import Emf

        return Metering(Emf(settings.metrics_service), memory_gb=memory_gb, clock=clock)
    from chalicelib.metrics.prometheus import Prometheus

    prometheus = Prometheus(
        lambda: gauges().read(), directory=settings.prometheus_multiproc_dir, process=settings.metrics_process
    )
    return Exposed(prometheus, memory_gb=memory_gb, clock=clock)
