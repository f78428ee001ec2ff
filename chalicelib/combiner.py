"""Combines what several threads hand in at about the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Combiner(Generic[T, R]):
    """Whoever finds it idle acts on all that waits, and goes on while there is more; the others leave theirs and go.

    So batches grow just as fast as a call takes, and nothing waits for a timer. `take` removes a batch from what waits;
    `act` deals with it and must not raise: the batch may well be another thread's.
    """

    def __init__(self, take: Callable[[deque[T]], list[T]], act: Callable[[list[T]], Iterable[R]]) -> None:
        self._take = take
        self._act = act
        self._waiting: deque[T] = deque()
        self._acting = threading.Lock()

    def put(self, items: Iterable[T]) -> list[R]:
        """What `act` answered here, whoever handed the items in; nothing where another thread acts."""
        self._waiting.extend(items)
        answers: list[R] = []
        # Looked at again after the lock is free: an item left between the last look and the release would stay.
        while self._waiting and self._acting.acquire(blocking=False):
            try:
                while self._waiting:
                    answers += self._act(self._take(self._waiting))
            finally:
                self._acting.release()
        return answers


def first(most: int) -> Callable[[deque[T]], list[T]]:
    """Takes at most so many, in the order in which they came."""

    def take(waiting: deque[T]) -> list[T]:
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]

    return take
