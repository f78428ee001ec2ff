"""Further processes of the local HTTP server, which listen at the same address: Lambda has one for each request.

The kernel spreads connections among all sockets that listen with SO_REUSEPORT. The first process starts the others once
it serves itself, so a run is ready no later because of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

NUMBER, FIRST = "HTTP_PROCESS", "HTTP_FIRST_PID"  # set by the first process for each of the others
COMMAND = (sys.executable, "-m", "local.server")
# One that dies within this time would die again.
QUICK_SECONDS = 10.0


class Replicas:
    """Those of the first process. `look_after` starts one again that died, and `end` ends them."""

    def __init__(
        self, count: int, *, command: Sequence[str] = COMMAND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._command = command
        self._clock = clock
        self._started: dict[int, float] = {}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._missing = set(range(2, count + 1))

    def look_after(self) -> None:
        """One step, never a wait."""
        for each in sorted(self._missing):
            environment = os.environ | {NUMBER: str(each), FIRST: str(os.getpid()), "METRICS_PROCESS": f"http-{each}"}
            self._running[each] = subprocess.Popen(self._command, env=environment, stdin=subprocess.DEVNULL)
            self._started[each] = self._clock()
        self._missing.clear()
        for each, process in list(self._running.items()):
            if process.poll() is not None:
                del self._running[each]
                if self._clock() - self._started[each] > QUICK_SECONDS:
                    self._missing.add(each)

    def end(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Replica:
    """One of the others, as it sees itself."""

    def __init__(self) -> None:
        self._first = int(os.environ[FIRST])

    @staticmethod
    def is_one() -> bool:
        return NUMBER in os.environ

    @property
    def is_alone(self) -> bool:
        """Whether the first process is gone, without which nobody would end this one."""
        return os.getppid() != self._first
