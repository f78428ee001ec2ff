"""The Lambda function behind the queue: an SQS event in, the messages that must come again out."""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chalicelib.protocols import Dispatch, Message, Outcome, Settler, Store, Wanted
from chalicelib.queues.message import BadMessage, decode
from chalicelib.store.definitions import Definitions
from chalicelib.worker.heart import Heart
from chalicelib.worker.lane import Job, Lane, Limits

# Kept back from the function's time: to commit, send and answer after the last handler was cut off.
MARGIN_SECONDS = 5.0
# How long a function has where nobody says (a local run).
DEFAULT_SECONDS = 900.0

log = logging.getLogger(__name__)


class Worker:
    """Claims what its messages name, runs it, and answers for the messages: a failed node is no failed message."""

    def __init__(
        self,
        *,
        store: Store,
        definitions: Definitions,
        settler: Settler,
        dispatch: Dispatch,
        lane: Lane,
        heart: Heart,
        limits: Limits,
        clock: Callable[[], float],
        together: Callable[[Sequence[Callable[[], None]]], None],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._settler = settler
        self._dispatch = dispatch
        self._lane = lane
        self._heart = heart
        self._limits = limits
        self._clock = clock
        self._together = together

    def handle(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """An SQS event -> {"batchItemFailures": [{"itemIdentifier": messageId}, ...]} (AWS Lambda, "Using SQS")."""
        left = context.get_remaining_time_in_millis() / 1000 if context is not None else DEFAULT_SECONDS
        deadline = self._clock() + max(1.0, left - MARGIN_SECONDS)
        jobs: list[Job] = []
        suspects: list[tuple[dict[str, Any], Message]] = []
        failed: list[dict[str, Any]] = []
        for record in event["Records"]:
            with _noted(record, failed):
                message = decode(record["body"])
                if any(ready.alone for ready in message.nodes):
                    suspects.append((record, message))
                else:
                    jobs += self._claim(message, deadline)
        # One of the nodes that may have killed a worker is run here, when nothing else does, and is not claimed before:
        # so whatever it is, it takes no other down. The rest is for whoever is free.
        for _, message in suspects[1:]:
            self._dispatch.send(message.ref, message.nodes)
        self._run(jobs)
        for record, message in suspects[:1]:
            with _noted(record, failed):
                if jobs and not self._has_time(message, deadline):
                    self._dispatch.send(message.ref, message.nodes)
                else:
                    self._run(self._claim(message, deadline))
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}

    def _has_time(self, message: Message, deadline: float) -> bool:
        plan = self._definitions.get(message.ref.execution_id)
        nodes = [ready.node for ready in message.nodes if plan and 0 <= ready.node < len(plan.nodes)]
        longest = max((self._lane.longest(plan, node) for node in nodes), default=0.0) if plan else 0.0
        return self._clock() + longest <= deadline

    def _claim(self, message: Message, deadline: float) -> list[Job]:
        plan = self._definitions.get(message.ref.execution_id)
        if plan is None:
            self._settler.abort(message.ref)
            return []
        if any(not 0 <= ready.node < len(plan.nodes) for ready in message.nodes):
            raise BadMessage("the message names a node that its workflow does not have")
        owner = secrets.token_hex(6)
        wanted = [Wanted(ready.node, ready.attempt, self._lane.needs(plan, ready.node)) for ready in message.nodes]
        claim = self._store.claim(message.ref.instance_id, owner=owner, lease_ms=self._heart.lease_ms, wanted=wanted)
        hop_until = self._clock() + self._limits.hop
        jobs = []
        for want, claimed in zip(wanted, claim.nodes, strict=False):
            if claimed.outcome is not Outcome.CLAIMED:
                log.debug("message refused", extra={"instance_id": message.ref.instance_id, "why": claimed.outcome})
                continue
            results = {
                node: value for node, value in zip(want.needs, claimed.results, strict=True) if value is not None
            }
            jobs.append(
                Job(
                    ref=message.ref,
                    plan=plan,
                    node=claimed.node,
                    attempt=claimed.attempt,
                    failures=claimed.failures,
                    owner=owner,
                    params=claim.params,
                    results=results,
                    deadline=deadline,
                    hop_until=hop_until,
                )
            )
            # Whoever runs the job lets go of it.
            self._heart.hold(message.ref.instance_id, claimed.node, claimed.attempt)
        return jobs

    def _run(self, jobs: list[Job]) -> None:
        """All at once where they may wait; those that are over in an instant one after the other."""
        waiting = [job for job in jobs if not self._lane.instant(job.plan, job.node)]
        instant = [job for job in jobs if self._lane.instant(job.plan, job.node)]
        calls = [functools.partial(self._lane.run, job) for job in waiting]
        self._together([*calls, functools.partial(self._run_each, instant)] if instant else calls)

    def _run_each(self, jobs: list[Job]) -> None:
        # What an instant node leads to may take long: not before the others, which would be over at once.
        following = [self._lane.run_instant(job) for job in jobs]
        self._together([functools.partial(self._lane.run, job) for job in following if job is not None])


@contextlib.contextmanager
def _noted(record: dict[str, Any], failed: list[dict[str, Any]]) -> Iterator[None]:
    """What goes wrong with a record is no reason to give up the others: the queue brings it again."""
    try:
        yield
    except Exception as error:  # not a message of ours, or the store is away, or worse
        level = logging.ERROR if isinstance(error, BadMessage) else logging.WARNING
        log.log(level, "record failed", extra={"message_id": record["messageId"], "error": str(error)})
        failed.append(record)


def together(calls: Sequence[Callable[[], None]]) -> None:
    """Run all calls at once, each in a thread, the last one right here. Returns when all have."""
    threads: list[threading.Thread] = []
    here = list(calls[-1:])
    for call in calls[:-1]:
        thread = threading.Thread(target=call, name="lane")
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads: one after the other, then
            here.append(call)
        else:
            threads.append(thread)
    for call in here:
        call()
    for thread in threads:
        thread.join()
