"""A queue in memory, with real encoding: for unit tests and simulations. It can lose, double and reorder."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chalicelib.core.work import Message
from chalicelib.queues.message import encode


class MemoryQueue:
    """See queues/protocol.py. `take` gives SQS records; what was taken is gone."""

    def __init__(self, *, seed: int | None = None, lose: float = 0.0, double: float = 0.0) -> None:
        self._random = random.Random(seed)
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
        """At most `limit` bodies; in a random order when the queue was given a seed."""
        if self._shuffle:
            self._random.shuffle(self.bodies)
        taken, self.bodies = self.bodies[:limit], self.bodies[limit:]
        return taken

    def ping(self) -> None:
        return None

    def backlog(self) -> int:
        return len(self.bodies)
