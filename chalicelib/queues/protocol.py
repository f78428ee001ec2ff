"""What carries work from the store to the workers: the queue, and the call of a scheduler that fills it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.work import Message


class Queue(Protocol):
    """What carries ready nodes to the workers: at least once, in no order."""

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Send in as few requests as can be. Returns the messages that were refused; the sweep sends these again."""

    def ping(self) -> None: ...

    def backlog(self) -> int:
        """About how many messages wait for a worker: neither those in hand nor those held back. Raises Unavailable."""


class Invoker(Protocol):
    """Starts the scheduler function for an instance, without waiting for it."""

    def invoke(self, instance_id: str) -> None: ...
