"""The ways by which work gets from the store to the workers: the queue, and the function that fills it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.work import Message


class Queue(Protocol):
    """Delivers messages with ready nodes to the workers, at least once and in no order."""

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Send, in as few requests as possible. Returns the messages that were refused; the sweep sends them again."""

    def ping(self) -> None: ...

    def backlog(self) -> int:
        """About how many messages wait for a worker, without those in flight or delayed. Raises Unavailable."""


class Invoker(Protocol):
    """Starts the scheduler function for an instance, and does not wait for its end."""

    def invoke(self, instance_id: str) -> None: ...
