"""CloudWatch's Embedded Metric Format: lines of JSON on stdout, from which CloudWatch Logs extracts metrics."""

from __future__ import annotations

import json
import sys
import threading

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from chalicelib.metrics.catalogue import NAMESPACE, Metric
from chalicelib.metrics.recorder import Figures

# The most values of one metric in a line, by the specification.
MOST_VALUES = 100


class Emf:
    """See recorder.Sink. A flush writes a line for each set of dimensions. So does the hundredth value of a metric:
    this bounds the memory."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._format = AmazonCloudWatchEMFProvider(namespace=NAMESPACE)
        self._lock = threading.Lock()
        self._pending: dict[str, dict[Metric, list[float]]] = {}

    def add(self, figures: Figures, handler: str = "") -> None:
        with self._lock:
            pending = self._pending.setdefault(handler, {})
            for metric, values in figures.items():
                if metric.is_duration:
                    values = [round(value * 1000, 3) for value in values]
                pending.setdefault(metric, []).extend(values)
            if any(len(pending[metric]) >= MOST_VALUES for metric in figures):
                self._write(handler, self._pending.pop(handler))

    def flush(self) -> None:
        with self._lock:
            while self._pending:
                self._write(*self._pending.popitem())

    def _write(self, handler: str, pending: dict[Metric, list[float]]) -> None:
        dimensions = {"service": self._service} | ({"handler": handler} if handler else {})
        for start in range(0, max(map(len, pending.values())), MOST_VALUES):
            metrics = {
                metric.name: {"Unit": metric.unit, "Value": values[start : start + MOST_VALUES]}
                for metric, values in pending.items()
                if len(values) > start
            }
            line = self._format.serialize_metric_set(metrics, dimensions)
            # Not by a logger: CloudWatch would not recognize the line if a formatter added anything to it.
            sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()
