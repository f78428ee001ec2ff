"""How metrics are put together, and around what they are taken from."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from chalicelib.errors import NotFound
from chalicelib.metrics.protocol import OFF, Metrics

if TYPE_CHECKING:
    from chalicelib.composition.root import Application
    from chalicelib.invocation import Part
    from chalicelib.metrics.prometheus import Prometheus
    from chalicelib.metrics.recorder import Sink
    from chalicelib.queues.protocol import Queue
    from chalicelib.store.protocol import Store


class Unmetered:
    """METRICS=none: nothing stands around anything."""

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
    """Store and queue say what happens and count what is asked of them; an invocation ends with its bill."""

    def __init__(self, app: Application, sink: Sink) -> None:
        from chalicelib.metrics.meter import InvocationMeter
        from chalicelib.metrics.metered import CallCounts
        from chalicelib.metrics.recorder import Recorder

        memory_gb = app.settings.aws_lambda_function_memory_size / 1024
        self._tally = CallCounts()
        self.metrics = Recorder(sink)
        self.parts = (InvocationMeter(self.metrics, self._tally, memory_gb=memory_gb, clock=app.clock).part,)

    def store(self, store: Store) -> Store:
        from chalicelib.metrics.metered import MeteredStore

        return cast("Store", MeteredStore(store, self.metrics, self._tally))

    def queue(self, queue: Queue) -> Queue:
        from chalicelib.metrics.metered import MeteredQueue

        return MeteredQueue(queue, self._tally)


class Exposed(Metering):
    """METRICS=prometheus."""

    def __init__(self, app: Application, prometheus: Prometheus) -> None:
        super().__init__(app, prometheus)
        self._prometheus = prometheus

    def exposition(self, accept: str) -> tuple[str, str]:
        return self._prometheus.exposition(accept)


def make(app: Application) -> Unmetered:
    if app.settings.metrics == "none":
        return Unmetered()
    if app.settings.metrics == "emf":
        from chalicelib.metrics.emf import Emf

        return Metering(app, Emf(app.settings.metrics_service))
    from chalicelib.metrics.gauges import Gauges
    from chalicelib.metrics.prometheus import Prometheus

    settings = app.settings
    # Made when it is asked for: the store and the queue need this to be made.
    gauges = functools.cache(lambda: Gauges(app.store, app.catalogue, app.queue, app.dead_letter_queue))
    prometheus = Prometheus(
        lambda: gauges().read(), directory=settings.prometheus_multiproc_dir, process=settings.metrics_process
    )
    return Exposed(app, prometheus)
