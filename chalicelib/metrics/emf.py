"""CloudWatch's Embedded Metric Format: a line of JSON on stdout, of which CloudWatch Logs makes metrics."""

from __future__ import annotations

import json
import sys
import threading

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from chalicelib.metrics.catalogue import NAMESPACE, Metric
from chalicelib.metrics.recorder import Figures

# Of one metric in one line, by the specification.
MOST_VALUES = 100


class Emf:
    """See recorder.Sink. A line per set of dimensions when it is flushed, and whenever a hundred values are together:
    so what is kept in memory is bounded."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._format = AmazonCloudWatchEMFProvider(namespace=NAMESPACE)
        self._lock = threading.Lock()
        self._kept: dict[str, dict[Metric, list[float]]] = {}

    def add(self, figures: Figures, handler: str = "") -> None:
        with self._lock:
            kept = self._kept.setdefault(handler, {})
            for metric, values in figures.items():
                if metric.is_duration:
                    values = [round(value * 1000, 3) for value in values]
                kept.setdefault(metric, []).extend(values)
            if any(len(kept[metric]) >= MOST_VALUES for metric in figures):
                self._write(handler, self._kept.pop(handler))

    def flush(self) -> None:
        with self._lock:
            while self._kept:
                self._write(*self._kept.popitem())

    def _write(self, handler: str, kept: dict[Metric, list[float]]) -> None:
        dimensions = {"service": self._service} | ({"handler": handler} if handler else {})
        for start in range(0, max(map(len, kept.values())), MOST_VALUES):
            metrics = {
                metric.name: {"Unit": metric.unit, "Value": values[start : start + MOST_VALUES]}
                for metric, values in kept.items()
                if len(values) > start
            }
            line = self._format.serialize_metric_set(metrics, dimensions)
            # Not through the log: what stands before or around it would keep CloudWatch from seeing it.
            sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()
