"""The stream of log lines of a local run, each under the name of its process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import IO

COLOURS = {"http": 36, "poller": 35, "valkey": 33, "localstack": 33, "stack": 32}
WORKER_COLOUR = 34
WIDTH = 10


class Console:
    """Whole lines on stdout, from any thread. Colours on a terminal, unless NO_COLOR is set."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._colours = self._stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str) -> None:
        """Write a line. A reader that went away (`| head`) is no reason to end."""
        label = f"{name:<{WIDTH}}"
        if self._colours:
            label = f"\033[{COLOURS.get(name, WORKER_COLOUR)}m{label}\033[0m"
        with self._lock:
            try:
                self._stream.write(f"{label} | {text}\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass

    def plain(self, text: str) -> None:
        with self._lock:
            try:
                self._stream.write(f"{text}\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass

    def pump(self, name: str, stream: IO[bytes], shown: Callable[[str], bool] = lambda _: True) -> threading.Thread:
        """Copy the lines of `stream` that are `shown`, until it ends, in a thread of its own."""

        def copy() -> None:
            with stream:
                for line in stream:
                    text = line.decode(errors="replace").rstrip()
                    if shown(text):
                        self.line(name, text)

        thread = threading.Thread(target=copy, daemon=True, name=f"log of {name}")
        thread.start()
        return thread
