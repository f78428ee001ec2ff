"""One child process of a local run: how it starts, when it is ready, what its death means."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local.console import Console
from local.processes import spawn, stop
from local.sockets import is_server

QUICK_SECONDS = 10.0
GIVE_UP_AFTER = 5
LONGEST_BACKOFF = 5.0


class Child:
    """`vital`: the stack ends when it cannot be kept alive. Any other is started again for ever.

    `place`: the host and port where it serves. It is not ready before it is this process that listens there.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: dict[str, str],
        ready: Callable[[], bool] | None = None,
        log: Path | None = None,
        vital: bool = False,
        after: Callable[[], object] | None = None,
        grace_seconds: float = 5,
        place: tuple[str, int] | None = None,
    ) -> None:
        self.name = name
        self.argv = argv
        self.env = env
        self.ready = None if ready is None else lambda: self.is_server and ready()
        self.log = log
        self.vital = vital
        self.after = after
        self.grace_seconds = grace_seconds
        self.place = place
        self.process: subprocess.Popen[bytes] | None = None
        self.again_at: float | None = None
        self.was_ready = False
        self._started = 0.0
        self._quick_deaths = 0
        self._futile_starts = 0

    def start(self, console: Console) -> None:
        """Its output goes to its log file, or to the console where it has none. From the main thread only:
        the kernel ends a child with the thread that started it."""
        self.again_at = None
        self.was_ready = self.ready is None
        self._started = time.monotonic()
        if self.log is None:
            self.process = spawn(self.argv, env=self.env, output=subprocess.PIPE)
            assert self.process.stdout is not None
            console.pump(self.name, self.process.stdout)
        else:
            with self.log.open("ab") as output:
                self.process = spawn(self.argv, env=self.env, output=output)

    @property
    def is_server(self) -> bool:
        """Whether what answers at its place is this process, and not the server of somebody else."""
        return self.place is None or (self.process is not None and is_server(self.process.pid, self.place[1]))

    @property
    def is_dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def note_death(self) -> float:
        """Plan the next start; answers the seconds until then. Dying soon, or before it was ready, doubles them."""
        now = time.monotonic()
        quick = not self.was_ready or now - self._started < QUICK_SECONDS
        self._futile_starts = 0 if self.was_ready else self._futile_starts + 1
        self._quick_deaths = self._quick_deaths + 1 if quick else 1
        delay = min(0.2 * 2.0 ** (self._quick_deaths - 1), LONGEST_BACKOFF)
        self.again_at = now + delay
        self.process = None
        return delay

    @property
    def is_hopeless(self) -> bool:
        """What was up, and was killed, can be up again: only starts that led to nothing count."""
        return self.vital and self._futile_starts >= GIVE_UP_AFTER

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    def terminate(self) -> None:
        """Ask it to end, and return at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, seconds: float) -> None:
        """Wait for it, at most `seconds`, then end it and whatever it started."""
        if self.process is not None:
            stop(self.process, seconds=seconds)
