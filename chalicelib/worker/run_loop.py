"""Runs claimed nodes and the children claimed after them: slow nodes in threads of their own, instant ones in turn."""

from __future__ import annotations

import contextvars
import functools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.best_effort import best_effort
from chalicelib.core import failure
from chalicelib.worker.claimer import Claimer
from chalicelib.worker.committer import MOST, Committer
from chalicelib.worker.job import Ended, Job, Retry
from chalicelib.worker.node_runner import NodeRunner
from chalicelib.worker.sizing import Requirements

log = logging.getLogger("dag.node")

Spawn = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Later:
    """A claim that this worker makes in `seconds`, when its moment has come: SQS delays whole seconds only."""

    seconds: float
    claim: Callable[[], Sequence[Job]]


class RunLoop:
    """Shared by all threads of a worker. It has no state."""

    def __init__(
        self,
        *,
        runner: NodeRunner,
        committer: Committer,
        claimer: Claimer,
        requirements: Requirements,
        spawn: Spawn,
        sleep: Callable[[float], None],
    ) -> None:
        self._runner = runner
        self._committer = committer
        self._claimer = claimer
        self._requirements = requirements
        self._spawn = spawn
        self._sleep = sleep

    def run(self, jobs: Sequence[Job], later: Sequence[Later] = ()) -> None:
        """Run the jobs, and what may run after them, to the end. Errors of nodes and of the store are not raised."""
        joins = [self._spawn(functools.partial(self._run_later, one)) for one in later]
        while jobs:
            instant = [job for job in jobs if self._requirements.instant(job.plan, job.node)]
            slow = [job for job in jobs if not self._requirements.instant(job.plan, job.node)]
            # The last slow one runs in this thread, unless that is needed for the instant ones.
            for job in slow if instant else slow[:-1]:
                joins.append(self._spawn(functools.partial(self.run, [job])))  # noqa: PERF401  # it starts threads
            jobs = self._run_once(instant or slow[-1:], joins)
        for join in joins:
            join()

    def _run_once(self, jobs: Sequence[Job], joins: list[Callable[[], None]]) -> list[Job]:
        """Run each job once, and return the claimed children. These are of all instances, so that none has to wait."""
        next_jobs: list[Job] = []
        ended: list[Ended] = []
        for job in jobs:
            one = self._runner.run(job)
            if isinstance(one, Retry):
                later = Later(one.seconds, functools.partial(self._claimer.again, job))
                joins.append(self._spawn(functools.partial(self._run_later, later)))
            elif one is not None:
                ended.append(one)
            if len(ended) == MOST:
                next_jobs += self._committer.commit(ended)
                ended = []
        return next_jobs + self._committer.commit(ended)

    def _run_later(self, later: Later) -> None:
        self._sleep(later.seconds)
        try:
            jobs = later.claim()
        except Exception as error:  # the store does not answer: the node is due, and the sweep looks at it
            best_effort(log.error, "nodes left to the sweep", extra={"error": failure.message_of(error)})
            return
        self.run(jobs)


def spawn(call: Callable[[], None]) -> Callable[[], None]:
    """Start a call in a thread, and return the function that joins it. If no thread can start, the call runs here."""
    # With this context its log lines and spans belong to this invocation.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(call,), name="crew")
    try:
        thread.start()
    except RuntimeError:
        call()
        return _nothing
    return thread.join


def _nothing() -> None:
    return None
