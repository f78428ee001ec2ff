"""Combines the items that several threads put in at about the same time into batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Combiner(Generic[T, R]):
    """A thread that finds it idle acts on all waiting items until none is left; other threads add theirs and return.

    So a batch has the items that arrived during one call, and no item waits for a timer. `take` removes a batch from
    the waiting items. `act` processes it, and must not raise: its items may be those of another thread.
    """

    def __init__(self, take: Callable[[deque[T]], list[T]], act: Callable[[list[T]], Iterable[R]]) -> None:
        self._take = take
        self._act = act
        self._waiting: deque[T] = deque()
        self._acting = threading.Lock()

    def put(self, items: Iterable[T]) -> list[R]:
        """Add items. Returns what `act` returned in this thread, whoever added the items; [] if another acts."""
        self._waiting.extend(items)
        answers: list[R] = []
        # Checked again after the release: an item that arrived between the last check and the release would stay.
        while self._waiting and self._acting.acquire(blocking=False):
            try:
                while self._waiting:
                    answers += self._act(self._take(self._waiting))
            finally:
                self._acting.release()
        return answers


def first(most: int) -> Callable[[deque[T]], list[T]]:
    """A `take` that removes at most `most` items, in their order."""

    def take(waiting: deque[T]) -> list[T]:
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]

    return take
