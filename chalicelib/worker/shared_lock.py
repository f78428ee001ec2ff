"""A lock that many may share, or one may have alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class SharedLock:
    """A readers-writer lock: whoever waits to be alone comes before those who would share it from then on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._waiting = 0
        self._alone = False

    @property
    def closed(self) -> bool:
        """Whether a thread has the lock alone, or waits for it."""
        return self._alone or self._waiting > 0

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self.closed)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self, seconds: float) -> Iterator[bool]:
        """Wait for it, for `seconds` at most. Yields whether this thread has it now."""
        with self._changed:
            self._waiting += 1
            got = self._changed.wait_for(lambda: not self._alone and not self._sharing, max(0.0, seconds))
            self._waiting -= 1
            self._alone = self._alone or got
            self._changed.notify_all()
        try:
            yield got
        finally:
            if got:
                with self._changed:
                    self._alone = False
                    self._changed.notify_all()
