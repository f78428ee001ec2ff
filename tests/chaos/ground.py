"""The stack that is attacked, with settings by which it soon notices what it lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.chaos import diary
from tests.chaos.faults import Ground
from tests.support.stack import running_stack

LEASE = 2.0


@contextlib.contextmanager
def running_ground(folder: Path, *, outage: float) -> Iterator[Ground]:
    """Run it with its data, its log and the diary in `folder`."""
    written = diary.Diary(folder / "diary")
    settings = {
        "HANDLER_MODULES": "tests.chaos.handlers",
        diary.VARIABLE: str(written.path),
        "WORKERS": "3",
        "LEASE_SECONDS": f"{LEASE:g}",
        "RESEND_SECONDS": "1",
        "SWEEP_INTERVAL": "0.3",
    }
    with running_stack(folder / "data", settings) as stack:
        yield Ground(stack=stack, diary=written, lease=LEASE, outage=outage)
