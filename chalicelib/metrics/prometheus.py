"""Prometheus: counters and histograms of all processes of this machine, and gauges that are read at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client import values as library_values
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from chalicelib.metrics.catalogue import METRICS, Metric
from chalicelib.metrics.gauges import Gauge
from chalicelib.metrics.recorder import Figures

# In seconds, from the shortest node to the 15 minutes of Lambda.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Prometheus:
    """See recorder.Sink.

    With a `directory` (PROMETHEUS_MULTIPROC_DIR, which the library reads itself) each process keeps its values in files
    there, named after `process`, or else its pid. A process that is restarted under its name continues with the values
    there: so no counter goes back, and no files of dead processes stay.
    """

    def __init__(self, gauges: Callable[[], Iterable[Gauge]], *, directory: str = "", process: str = "") -> None:
        if directory and process:
            library_values.ValueClass = library_values.MultiProcessValue(lambda: process)
        prometheus_client.disable_created_metrics()
        registry = CollectorRegistry()
        self._metrics: dict[Metric, Any] = {metric: _series(metric, registry) for metric in METRICS}
        self._labelled: dict[tuple[Metric, str], Any] = {}
        self._registry = registry
        if directory:
            self._registry = CollectorRegistry()
            MultiProcessCollector(self._registry, directory)
        self._registry.register(_GaugeCollector(gauges))

    def add(self, figures: Figures, handler: str = "") -> None:
        for metric, values in figures.items():
            series = self._series(metric, handler)
            if metric.is_duration:
                for value in values:
                    series.observe(value)
            else:
                series.inc(sum(values))

    def flush(self) -> None:
        return None

    def exposition(self, accept: str) -> tuple[str, str]:
        """The text and its content type, in the newest format that the header `Accept` allows."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry).decode(), content_type

    def _series(self, metric: Metric, handler: str) -> Any:
        if not metric.by_handler:
            return self._metrics[metric]
        found = self._labelled.get((metric, handler))
        if found is None:
            found = self._labelled[metric, handler] = self._metrics[metric].labels(handler)
        return found


def _series(metric: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    labels = ("handler",) if metric.by_handler else ()
    if metric.is_duration:
        return Histogram(metric.series, metric.help, labels, registry=registry, buckets=BUCKETS)
    return Counter(metric.series, metric.help, labels, registry=registry)


class _GaugeCollector:
    """A collector that reads the gauges at each scrape."""

    def __init__(self, gauges: Callable[[], Iterable[Gauge]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for gauge in self._gauges():
            yield GaugeMetricFamily(gauge.series, gauge.help, value=gauge.value)
