"""A share of a processor for a process, as Linux and Lambda grant it: so much of its time in each period."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

PERIOD_US = 20_000
ROOT = Path("/sys/fs/cgroup")


def available() -> bool:
    return _parent() is not None


@contextlib.contextmanager
def limited(pid: int, share: float) -> Iterator[None]:
    """Limit the process until the end of the block, by a control group below this process's own."""
    parent = _parent()
    if parent is None:
        raise OSError("no control group can be made here: cgroups with `cpu`, and root, are needed")
    group = parent / f"benchmark-{uuid.uuid4().hex[:8]}"
    group.mkdir()
    try:
        quota = round(share * PERIOD_US)
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended, and left its group by that
            (parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def _parent() -> Path | None:
    """The group of this process that has the processor in its care, if this process may make another one in it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):  # cgroups v1
            found = ROOT / "cpu" / path.lstrip("/")
        elif not controllers:
            found = ROOT / path.lstrip("/")
            delegated = found / "cgroup.subtree_control"
            if not delegated.exists() or "cpu" not in delegated.read_text().split():
                continue
        else:
            continue
        if os.access(found, os.W_OK):
            return found
    return None
