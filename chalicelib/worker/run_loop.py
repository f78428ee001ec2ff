"""Runs claimed nodes and what they lead to: those that may wait in threads of their own, the instant ones in turn."""

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
    """Shared by all threads of a worker; holds no state of its own."""

    def __init__(self, *, runner: NodeRunner, committer: Committer, requirements: Requirements, spawn: Spawn) -> None:
        self._runner = runner
        self._committer = committer
        self._requirements = requirements
        self._spawn = spawn

    def run(self, jobs: Sequence[Job]) -> None:
        """Until nothing is left to run on with. Raises nothing that a node or the store did."""
        joins: list[Callable[[], None]] = []
        while jobs:
            instant = [job for job in jobs if self._requirements.instant(job.plan, job.node)]
            slow = [job for job in jobs if not self._requirements.instant(job.plan, job.node)]
            # The last slow one runs here, unless this thread is needed for what is over at once.
            for job in slow if instant else slow[:-1]:
                joins.append(self._spawn(functools.partial(self.run, [job])))
            jobs = self._turn(instant or slow[-1:])
        for join in joins:
            join()

    def _turn(self, jobs: Sequence[Job]) -> list[Job]:
        """Each once; answers what to run on with, of all instances alike: so each of these has its turn."""
        following: list[Job] = []
        ended: list[Ended] = []
        for job in jobs:
            if one := self._runner.run(job):
                ended.append(one)
            if len(ended) == MOST:
                following += self._committer.commit(ended)
                ended = []
        return following + self._committer.commit(ended)


def spawn(call: Callable[[], None]) -> Callable[[], None]:
    """Start a call in a thread; the answer waits until it is over. Where there are no more threads it runs here."""
    # What is logged and traced there belongs to this invocation.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(call,), name="crew")
    try:
        thread.start()
    except RuntimeError:
        call()
        return _nothing
    return thread.join


def _nothing() -> None:
    return None
