"""How ready nodes get onto the queue after a commit: by the process that committed, or by the scheduler function."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable

from chalicelib.protocols import Dispatching, Invoker, Message, Queue, Ready, Ref

BATCH = 10

log = logging.getLogger(__name__)


class Outbox:
    """Combines what several threads send at about the same time into full batches.

    Whoever finds the outbox idle sends, and goes on while there is more; the others leave theirs and return. So batches
    grow just as fast as requests take, and nothing waits for a timer.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._waiting: deque[Message] = deque()
        self._sending = threading.Lock()

    def put(self, messages: Iterable[Message]) -> None:
        self._waiting.extend(messages)
        # Looked at again after the lock is free: a message left between the last look and the release would stay.
        while self._waiting and self._sending.acquire(blocking=False):
            try:
                while batch := self._next():
                    self._queue.send(batch)
            finally:
                self._sending.release()

    def _next(self) -> list[Message]:
        batch: list[Message] = []
        while self._waiting and len(batch) < BATCH:
            batch.append(self._waiting.popleft())
        return batch


class InlineDispatch:
    """The process that committed sends: the shorter hop."""

    def __init__(self, queue: Queue, *, resend_ms: int) -> None:
        self.by = Dispatching(taken=True, resend_ms=resend_ms)
        self._outbox = Outbox(queue)

    def send(self, ref: Ref, ready: Iterable[Ready]) -> None:
        self._outbox.put([Message(ref, (one,)) for one in ready])

    def unblocked(self, ref: Ref, ready: Iterable[Ready]) -> None:
        self.send(ref, ready)


class LambdaDispatch(InlineDispatch):
    """The scheduler function sends what a completion unblocked. Retries carry a delay: their own process sends them."""

    def __init__(self, queue: Queue, invoker: Invoker, *, resend_ms: int) -> None:
        super().__init__(queue, resend_ms=resend_ms)
        self.by = Dispatching(taken=False, resend_ms=resend_ms)
        self._invoker = invoker

    def unblocked(self, ref: Ref, ready: Iterable[Ready]) -> None:
        if not any(True for _ in ready):
            return
        try:
            self._invoker.invoke(ref.instance_id)
        except Exception as error:  # what is ready stays due: the sweep finds it
            log.warning("scheduler not invoked", extra={"instance_id": ref.instance_id, "error": str(error)})
