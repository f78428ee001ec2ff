"""What another process uses, as Linux counts it."""

from __future__ import annotations

import re
import time
from pathlib import Path


def processor_seconds(pid: int) -> float:
    """The time that all its threads have spent on a processor."""
    return time.clock_gettime((~pid << 3) | 2)  # its clock, as clock_getcpuclockid(3) makes it


def status(pid: int, name: str) -> int:
    """A number of its status: VmRSS and VmHWM (the most so far) are in kB, Threads is a count."""
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
