"""The machine on which the figures were measured, and how steady it was."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path


def describe() -> str:
    """Cores, memory and processor; no names or addresses."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].split(":", 1)[1].strip() if models else platform.machine()
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {model}, Linux {platform.release().split('-')[0]}"


def calibration() -> float:
    """The seconds of a fixed loop in Python, the median of three. On an idle machine they are always the same."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        total = 0
        for number in range(1_000_000):
            total += number & 7
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]
