"""Checks lines of CloudWatch's Embedded Metric Format by its specification (Amazon CloudWatch User Guide)."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

MAX_EVENT_BYTES = 256 * 1024
DAY_MS = 86_400_000
UNITS = {
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
    *(f"{size}{what}" for size in ("", "Kilo", "Mega", "Giga", "Tera") for what in ("bytes", "bits")),
}


def check(line: str) -> dict[str, Any]:
    """Return the document in a line. Fails on whatever CloudWatch would refuse, or silently leave out."""
    assert len(line.encode()) <= MAX_EVENT_BYTES
    document = json.loads(line)
    metadata = document["_aws"]
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    now = time.time() * 1000
    assert isinstance(metadata["Timestamp"], int)
    assert now - 14 * DAY_MS < metadata["Timestamp"] < now + DAY_MS / 12
    assert len(metadata["CloudWatchMetrics"]) >= 1
    for directive in metadata["CloudWatchMetrics"]:
        _check_directive(document, directive)
    return dict(document)


def _check_directive(document: dict[str, Any], directive: dict[str, Any]) -> None:
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert 1 <= len(directive["Namespace"]) <= 1024
    assert not directive["Namespace"].startswith("AWS/")
    assert len(directive["Dimensions"]) >= 1
    for dimensions in directive["Dimensions"]:
        assert len(dimensions) <= 30
        assert len(set(dimensions)) == len(dimensions)
        for name in dimensions:
            assert 1 <= len(name) <= 250
            assert not name.startswith(":")
            assert isinstance(document[name], str)
            assert 1 <= len(document[name]) <= 1024
            assert document[name].isascii()
    assert 1 <= len(directive["Metrics"]) <= 100
    for metric in directive["Metrics"]:
        assert set(metric) <= {"Name", "Unit", "StorageResolution"}
        assert 1 <= len(metric["Name"]) <= 1024
        assert metric.get("Unit", "None") in UNITS
        assert metric.get("StorageResolution", 60) in (1, 60)
        target = document[metric["Name"]]
        values = target if isinstance(target, list) else [target]
        assert 1 <= len(values) <= 100
        assert all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        assert all(abs(value) <= 2**360 for value in values)


def values(lines: Iterable[str]) -> dict[tuple[str, str], list[float]]:
    """Return the values in lines that contain nothing else, by metric and handler ("" if there is none)."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in lines:
        document = check(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                target = document[metric["Name"]]
                handler = document.get("handler", "")
                found[metric["Name"], handler] += target if isinstance(target, list) else [target]
    return dict(found)
