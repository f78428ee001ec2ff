"""A queue in memory, with the real encoding, for tests and the simulation. It can lose, double and reorder messages."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chalicelib.core.work import Message
from chalicelib.queues.message import encode


class MemoryQueue:
    """See queues/protocol.py. `take` removes the bodies that it returns. `lose` and `double` are probabilities."""

    def __init__(self, *, seed: int | None = None, lose: float = 0.0, double: float = 0.0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a test repeats it
        self._shuffle = seed is not None
        self._lose = lose
        self._double = double
        self.bodies: list[str] = []
        self.sent = 0

    def send(self, messages: Sequence[Message]) -> list[Message]:
        for message in messages:
            self.sent += 1
            if self._random.random() < self._lose:
                continue
            copies = 2 if self._random.random() < self._double else 1
            self.bodies += [encode(message)] * copies
        return []

    def take(self, limit: int = 10) -> list[str]:
        """Remove and return at most `limit` bodies, in a random order if the queue has a seed."""
        if self._shuffle:
            self._random.shuffle(self.bodies)
        taken, self.bodies = self.bodies[:limit], self.bodies[limit:]
        return taken

    def ping(self) -> None:
        return None

    def backlog(self) -> int:
        return len(self.bodies)
