"""A child process of a local run: how it starts, when it is ready, what its death means."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local.console import Console
from local.processes import spawn, stop
from local.sockets import is_server

QUICK_SECONDS = 10.0
GIVE_UP_AFTER = 5
LONGEST_BACKOFF = 5.0
# After this many failures in a row, a child's output is hidden, and its deaths are reported once a minute.
SILENT_AFTER = 3
REMIND_SECONDS = 60.0


class Child:
    """`vital`: the stack ends if this child cannot be kept alive. Any other is started again for ever.

    `place`: the host and port where it serves. It is ready only once this very process listens there.
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
        self.failures = 0  # in a row: exits with an error soon after the start; being killed does not count
        self._words = ""
        self._pump: threading.Thread | None = None
        self._said: tuple[str, float] = ("", 0.0)
        self._futile_starts = 0

    def start(self, console: Console) -> None:
        """Start the process. Its output goes to its log file, or to the console if it has none.

        Call it from the main thread only: the kernel ends a child with the thread that started it.
        """
        self.again_at = None
        self.was_ready = self.ready is None
        self._started = time.monotonic()
        if self.log is None:
            self.process = spawn(self.argv, env=self.env, output=subprocess.PIPE)
            assert self.process.stdout is not None
            self._pump = console.pump(self.name, self.process.stdout, self._heard)
        else:
            with self.log.open("ab") as output:
                self.process = spawn(self.argv, env=self.env, output=output)

    def _heard(self, line: str) -> bool:
        """Note a line of output. False if it is not to be shown: a child that dies at every start repeats itself."""
        self._words = line.strip() or self._words
        return self.failures < SILENT_AFTER or self.age > QUICK_SECONDS

    @property
    def last_words(self) -> str:
        """The last line of the output, all of which has been read by then."""
        if self._pump is not None:
            self._pump.join(1.0)
        return self._words

    def is_news(self, how: str) -> bool:
        """Whether to report this death. A silent child's is not, if the last report was the same, and recent."""
        now = time.monotonic()
        if self.is_silent and how == self._said[0] and now - self._said[1] < REMIND_SECONDS:
            return False
        self._said = how, now
        return True

    @property
    def is_silent(self) -> bool:
        return self.failures > SILENT_AFTER

    @property
    def is_server(self) -> bool:
        """Whether this process, and not another program's server, listens at `place`."""
        return self.place is None or (self.process is not None and is_server(self.process.pid, self.place[1]))

    @property
    def is_dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def note_death(self) -> float:
        """Plan the next start and return the seconds until then, which double if it died early or was never ready."""
        now = time.monotonic()
        quick = not self.was_ready or now - self._started < QUICK_SECONDS
        failed = quick and self.process is not None and (self.process.returncode or 0) > 0
        self.failures = self.failures + 1 if failed else 0
        self._futile_starts = 0 if self.was_ready else self._futile_starts + 1
        self._quick_deaths = self._quick_deaths + 1 if quick else 1
        delay = min(0.2 * 2.0 ** (self._quick_deaths - 1), LONGEST_BACKOFF)
        self.again_at = now + delay
        self.process = None
        return delay

    @property
    def is_hopeless(self) -> bool:
        """Only starts that never became ready count: a child that was ready and got killed can be ready again."""
        return self.vital and self._futile_starts >= GIVE_UP_AFTER

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def terminate(self) -> None:
        """Send SIGTERM, and return at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, seconds: float) -> None:
        """Send SIGTERM and wait, at most `seconds`; then kill it with every process that it started."""
        if self.process is not None:
            stop(self.process, seconds=seconds)
