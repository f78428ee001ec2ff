"""The Lambda function behind the queue: it takes an SQS event, and returns the messages to be delivered again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chalicelib import logs
from chalicelib.best_effort import best_effort
from chalicelib.core import failure
from chalicelib.core.plan import Plan
from chalicelib.core.work import Message
from chalicelib.queues.message import BadMessage, carrier, decode
from chalicelib.scheduling import Dispatch, Settler
from chalicelib.store.definitions import Definitions
from chalicelib.worker.claimer import Claimer
from chalicelib.worker.job import Delivery, Job
from chalicelib.worker.run_loop import Later, RunLoop
from chalicelib.worker.shared_lock import SharedLock
from chalicelib.worker.sizing import Requirements

# Reserved at the end of the function's time: to commit, send and answer after the last handler was cut off.
MARGIN_SECONDS = 5.0
# The time of an invocation without a Lambda context (a local run).
DEFAULT_SECONDS = 900.0

log = logging.getLogger(__name__)


class Worker:
    """Claims the nodes of its messages and runs them. A message whose node fails has still been handled."""

    def __init__(
        self,
        *,
        definitions: Definitions,
        settler: Settler,
        dispatch: Dispatch,
        run_loop: RunLoop,
        claimer: Claimer,
        requirements: Requirements,
        clock: Callable[[], float],
    ) -> None:
        self._definitions = definitions
        self._settler = settler
        self._dispatch = dispatch
        self._run_loop = run_loop
        self._claimer = claimer
        self._requirements = requirements
        self._clock = clock
        # Lambda gives each invocation a process of its own; a local process has several batches in hand.
        self._lock = SharedLock()

    @property
    def closed(self) -> bool:
        """Whether the process should take no further batch: a node that may kill it runs alone, or is about to."""
        return self._lock.closed

    def handle(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """An SQS event -> {"batchItemFailures": [{"itemIdentifier": messageId}, ...]} (AWS Lambda, "Using SQS")."""
        left = context.get_remaining_time_in_millis() / 1000 if context is not None else DEFAULT_SECONDS
        deadline = self._clock() + max(1.0, left - MARGIN_SECONDS)
        suspects: list[tuple[dict[str, Any], Message]] = []
        failed: list[dict[str, Any]] = []
        with self._lock.shared():
            began = self._run_others(event["Records"], deadline, suspects, failed)
        for record, message in suspects[:1]:
            with _isolated(record, failed), self._lock.alone(deadline - self._clock()) as alone:
                if not alone or (began and not self._has_time(message, deadline)):
                    self._pass_on(message)
                else:
                    self._run_loop.run(self._claim(record, message, deadline))
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}

    def _run_others(
        self,
        records: Sequence[dict[str, Any]],
        deadline: float,
        suspects: list[tuple[dict[str, Any], Message]],
        failed: list[dict[str, Any]],
    ) -> bool:
        """Run all nodes but those that may have killed a worker. Returns whether there were any.

        One of the suspects is run here, and claimed only when nothing else runs any more: so it cannot take another
        node down. The others are sent again, for a worker that is free.
        """
        jobs: list[Job] = []
        early: list[Later] = []
        for record in records:
            with _isolated(record, failed):
                message = decode(record["body"])
                if any(ready.alone for ready in message.nodes):
                    suspects.append((record, message))
                elif wait_ms := max(ready.delay_ms for ready in message.nodes):
                    early.append(Later(wait_ms / 1000, self._claiming(record, message, deadline, failed)))
                else:
                    jobs += self._claim(record, message, deadline)
        for record, message in suspects[1:]:
            with _isolated(record, failed):
                self._pass_on(message)
        self._run_loop.run(jobs, early)
        return bool(jobs or early)

    def _claiming(
        self, record: dict[str, Any], message: Message, deadline: float, failed: list[dict[str, Any]]
    ) -> Callable[[], list[Job]]:
        """Makes the claim of a message that the queue delivered up to a second too early: it delays whole seconds."""

        def claim() -> list[Job]:
            with _isolated(record, failed):
                return self._claim(record, message, deadline)
            return []

        return claim

    def _has_time(self, message: Message, deadline: float) -> bool:
        plan = self._plan(message)
        nodes = [ready.node for ready in message.nodes] if plan else []
        return plan is None or self._clock() + max(self._requirements.longest(plan, node) for node in nodes) <= deadline

    def _pass_on(self, message: Message) -> None:
        if plan := self._plan(message):
            self._dispatch.send(message.ref, plan, message.nodes)

    def _plan(self, message: Message) -> Plan | None:
        """The plan of a message. Without one (the workflow is gone) it ends the instance, and returns None."""
        plan = self._definitions.get(message.ref.execution_id)
        if plan is None:
            self._settler.abort(message.ref)
        elif any(not 0 <= ready.node < len(plan.nodes) for ready in message.nodes):
            raise BadMessage("the message names a node that its workflow does not have")
        return plan

    def _claim(self, record: dict[str, Any], message: Message, deadline: float) -> list[Job]:
        plan = self._plan(message)
        if plan is None:
            return []
        delivery = Delivery(record["messageId"], carrier(record), None)
        return self._claimer.claim(message.ref, plan, message.nodes, deadline=deadline, delivery=delivery)


@contextlib.contextmanager
def _isolated(record: dict[str, Any], failed: list[dict[str, Any]]) -> Iterator[None]:
    """Let an exception fail this record alone. The queue delivers it again, and the other records are handled."""
    with logs.bound({"message_id": record["messageId"]}):
        try:
            yield
        except Exception as error:  # not a message of this service, or the store cannot be reached, or a bug
            level = logging.ERROR if isinstance(error, BadMessage) else logging.WARNING
            failed.append(record)
            best_effort(log.log, level, "record failed", extra={"error": failure.message_of(error)})
