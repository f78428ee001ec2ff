"""Runs claimed nodes and the children claimed after them: slow nodes in threads of their own, instant ones in turn."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Sequence

from chalicelib.worker.committer import MOST, Committer
from chalicelib.worker.job import Ended, Job
from chalicelib.worker.node_runner import NodeRunner
from chalicelib.worker.sizing import Requirements

Spawn = Callable[[Callable[[], None]], Callable[[], None]]


class RunLoop:
    """Shared by all threads of a worker. It has no state."""

    def __init__(self, *, runner: NodeRunner, committer: Committer, requirements: Requirements, spawn: Spawn) -> None:
        self._runner = runner
        self._committer = committer
        self._requirements = requirements
        self._spawn = spawn

    def run(self, jobs: Sequence[Job]) -> None:
        """Run the jobs, and what may run after them, to the end. Errors of nodes and of the store are not raised."""
        joins: list[Callable[[], None]] = []
        while jobs:
            instant = [job for job in jobs if self._requirements.instant(job.plan, job.node)]
            slow = [job for job in jobs if not self._requirements.instant(job.plan, job.node)]
            # The last slow one runs in this thread, unless that is needed for the instant ones.
            for job in slow if instant else slow[:-1]:
                joins.append(self._spawn(functools.partial(self.run, [job])))  # noqa: PERF401  # it starts threads
            jobs = self._run_once(instant or slow[-1:])
        for join in joins:
            join()

    def _run_once(self, jobs: Sequence[Job]) -> list[Job]:
        """Run each job once, and return the claimed children. These are of all instances, so that none has to wait."""
        next_jobs: list[Job] = []
        ended: list[Ended] = []
        for job in jobs:
            if one := self._runner.run(job):
                ended.append(one)
            if len(ended) == MOST:
                next_jobs += self._committer.commit(ended)
                ended = []
        return next_jobs + self._committer.commit(ended)


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
