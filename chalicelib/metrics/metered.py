"""Wrappers of the store and the queue that report metrics and count calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chalicelib import ids
from chalicelib.best_effort import best_effort
from chalicelib.core import cost
from chalicelib.core.calls import Claim, Completion, Due
from chalicelib.core.cost import Consumption
from chalicelib.core.transitions import TRANSITIONS, Outcome
from chalicelib.core.work import Message, Ref
from chalicelib.metrics.protocol import Metrics
from chalicelib.queues.protocol import Queue
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Store


class CallCounts:
    """Counts this process's commands in Redis and requests to SQS. A lost update between threads does no harm."""

    def __init__(self) -> None:
        self.commands = 0
        self.requests = 0

    def called(self, name: str, nodes: int = 0) -> None:
        self.commands += cost.commands(name, nodes)

    def take(self, *, seconds: float, requests: int) -> Consumption:
        """Return the counts and reset them, as the usage of an invocation that ran `seconds`.

        `requests` to SQS were made for it by AWS.
        """
        usage = Consumption(
            nodes=0,
            instances=0,
            sqs_requests=self.requests + requests,
            invocations=1,
            seconds=seconds,
            redis_commands=self.commands,
        )
        self.commands = self.requests = 0
        return usage


class MeteredStore:
    """See store/protocol.py. It takes the metrics from what transitions return."""

    def __init__(self, store: Store, metrics: Metrics, tally: CallCounts) -> None:
        self._store = store
        self._metrics = metrics
        self._tally = tally

    def create(self, ref: Ref, **named: Any) -> tuple[Outcome, int]:
        self._tally.called("create")
        created = self._store.create(ref, **named)
        if created[0] is Outcome.CREATED and _is_user_started(ref.instance_id):
            best_effort(self._metrics.started)
        return created

    def claim(self, instance_id: str, *, wanted: Sequence[Any], **named: Any) -> Claim:
        self._tally.called("claim", len(wanted))
        self._tally.commands += sum(bool(want.needs) for want in wanted)  # reading a node's needs is one more
        claim = self._store.claim(instance_id, wanted=wanted, **named)
        if claim.waited_ms is not None:
            best_effort(self._metrics.claimed, claim.waited_ms / 1000)
        return claim

    def complete(self, instance_id: str, *, done: Sequence[Any], **named: Any) -> Completion:
        self._tally.called("complete", len(done))
        completion = self._store.complete(instance_id, done=done, **named)
        self._note_end(instance_id, completion.status)
        return completion

    def take_due(self, instance_id: str, **named: Any) -> Due:
        due = self._store.take_due(instance_id, **named)
        self._tally.called("take_due", len(due.send) + len(due.settle))
        self._note_end(instance_id, due.status)
        return due

    def end(self, instance_id: str, *, status: str, **named: Any) -> Outcome:
        self._tally.called("end")
        outcome = self._store.end(instance_id, status=status, **named)
        if outcome is Outcome.ENDED:
            best_effort(self._metrics.ended, instance_id, status)
        return outcome

    def _note_end(self, instance_id: str, status: str) -> None:
        """Report the end. Only the transition that ends an instance returns a terminal status."""
        if status in (InstanceStatus.COMPLETED, InstanceStatus.FAILED) and _is_user_started(instance_id):
            best_effort(self._metrics.ended, instance_id, status)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method, may_end = getattr(self._store, name), name in TRANSITIONS and TRANSITIONS[name].may_end

        def call(*args: Any, **named: Any) -> Any:
            self._tally.called(name)
            answer = method(*args, **named)
            if may_end:
                self._note_end(args[0], answer.status)
            return answer

        setattr(self, name, call)
        return call


def _is_user_started(instance_id: str) -> bool:
    """Whether a user started the instance. The call of a webhook is one as well, but counts only as a node."""
    return instance_id.startswith(ids.INSTANCE)


class MeteredQueue:
    """See queues/protocol.py."""

    def __init__(self, queue: Queue, tally: CallCounts) -> None:
        self._queue = queue
        self._tally = tally

    def send(self, messages: Sequence[Message]) -> list[Message]:
        self._tally.requests += -(-len(messages) // 10)  # a request takes a batch of ten
        return self._queue.send(messages)

    def ping(self) -> None:
        self._tally.requests += 1
        self._queue.ping()

    def backlog(self) -> int:
        self._tally.requests += 1
        return self._queue.backlog()
