"""Enqueues ready nodes after a commit: from the process that committed, or by the scheduler function."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from chalicelib.combiner import Combiner, first
from chalicelib.core.calls import Dispatching
from chalicelib.core.plan import Plan
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.metrics.protocol import OFF, Metrics
from chalicelib.queues.protocol import Invoker, Queue

BATCH = 10

log = logging.getLogger(__name__)


class InlineDispatch:
    """Sends from the process that committed, which is one hop less."""

    def __init__(
        self,
        queue: Queue,
        *,
        resend_ms: int,
        weight: Callable[[str], int],
        room: int,
        metrics: Metrics = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`weight` returns how much of a message's `room` a node of the handler takes."""
        self.by = Dispatching(taken=True, resend_ms=resend_ms)
        self._metrics = metrics
        self._clock = clock
        self._queue = queue
        self._weight = weight
        self.room = room
        # Messages, each with the time of the commit that made its nodes ready, or None if they were ready before.
        self._outbox: Combiner[tuple[Message, float | None], None] = Combiner(first(BATCH), self._flush)

    def send(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        self._outbox.put((message, None) for message in self._messages(ref, plan, ready))

    def unblocked(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        now = self._clock()
        self._outbox.put((message, now) for message in self._messages(ref, plan, ready))

    def _flush(self, outgoing: list[tuple[Message, float | None]]) -> Iterable[None]:
        self._queue.send([message for message, _ in outgoing])  # refused messages stay due: the sweep sends them
        self._metrics.dispatched(self._clock() - since for _, since in outgoing if since is not None)
        return ()

    def _messages(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> Iterator[Message]:
        """Fill each message up to its room. A node with a delay, or one that may kill its worker, has its own."""
        together: list[Ready] = []
        left = self.room
        for one in ready:
            weight = self.room if one.delay_ms or one.alone else self._weight(plan.nodes[one.node].handler)
            if weight > left:
                if together:
                    yield Message(ref, tuple(together))
                together, left = [], self.room
            together.append(one)
            left -= weight
        if together:
            yield Message(ref, tuple(together))


class LambdaDispatch(InlineDispatch):
    """Leaves what a completion unblocked to the scheduler function. `send`, as for retries, still sends from here.

    So only a process that calls `unblocked` has to know that function: the sweep and the dead letters do not.
    """

    def __init__(self, queue: Queue, invoker: Invoker, *, resend_ms: int, **more: Any) -> None:
        super().__init__(queue, resend_ms=resend_ms, **more)
        self.by = Dispatching(taken=False, resend_ms=resend_ms)
        self._invoker = invoker

    def unblocked(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        if not ready:
            return
        try:
            self._invoker.invoke(ref.instance_id)
        except Exception as error:  # the ready nodes stay due: the sweep finds them
            fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id, "error": str(error)}
            log.warning("scheduler not invoked", extra=fields)
