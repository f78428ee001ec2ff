"""The first hop: the process that created an instance runs the instant nodes at its beginning itself.

Nearly every workflow begins with `input`. So it needs no message to begin, and a small one has ended when the trigger
answers. Leases, attempts and commits are those of any worker: a process that dies here has lost some leases.

A local server answers many requests at once. If they all ran Python at the same time, each call to Redis would wait for
the others' processor time, and the hops would take longer than the queue. So they take turns, and send outside of them.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext

from chalicelib.best_effort import best_effort
from chalicelib.core import failure
from chalicelib.core.plan import Plan
from chalicelib.core.work import Ready, Ref
from chalicelib.scheduling import Begin
from chalicelib.worker.claimer import Claimer
from chalicelib.worker.job import InPlace
from chalicelib.worker.run_loop import RunLoop
from chalicelib.worker.sizing import Requirements

# The time of an invocation is no limit here: what runs is over in an instant.
_NO_DEADLINE = 60.0
# A trigger that waited as many seconds for its turn leaves the instance to the queue.
PATIENCE = 0.5

log = logging.getLogger("dag.node")


class InlineFirstHop:
    """`seconds` and `nodes` bound what one call runs, and `run_loop` makes what runs it. See scheduling.FirstHop.

    Only a worker stores large results elsewhere, so nodes whose results may have `large` bytes are left to it.
    """

    def __init__(
        self,
        *,
        claimer: Claimer,
        run_loop: Callable[[], RunLoop],
        requirements: Requirements,
        seconds: float,
        nodes: int,
        large: int,
        clock: Callable[[], float],
    ) -> None:
        self._claimer = claimer
        self._run_loop = run_loop
        self._requirements = requirements
        self._seconds = seconds
        self._nodes = nodes
        self._large = large
        self._clock = clock
        self._turn = threading.Lock()

    @contextmanager
    def turn(self, plan: Plan, roots: Sequence[int], params: bytes) -> Iterator[Begin]:
        mine = [
            root for root in roots if self._requirements.in_place(plan, root, inputs=len(params), large=self._large)
        ]
        if not mine or not self._turn.acquire(timeout=PATIENCE):
            yield leave
            return
        try:
            yield functools.partial(self._begin, frozenset(mine[: self._nodes]))
        finally:
            self._turn.release()

    def _begin(self, mine: Set[int], ref: Ref, plan: Plan, ready: Sequence[Ready]) -> Sequence[Ready]:
        now, in_place = self._clock(), InPlace(self._nodes, self._large)
        fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id}
        try:
            jobs = self._claimer.claim(
                ref,
                plan,
                [one for one in ready if one.node in mine],
                deadline=now + _NO_DEADLINE,
                hop_until=now + self._seconds,
                delivery=None,
                message=False,
                in_place=in_place,
            )
        except Exception as error:  # a message will ask for them, or find that they were claimed
            best_effort(log.warning, "first hop left to the queue", extra=fields | {"error": failure.message_of(error)})
            return ready
        try:
            self._run_loop().run(jobs)
        except Exception:  # the instance exists, and the sweep goes on with it: the trigger has succeeded
            best_effort(log.exception, "first hop failed", extra=fields)
        claimed = {job.node for job in jobs}
        return [one for one in ready if one.node not in claimed] + in_place.left


class NoFirstHop:
    """FIRST_HOP_SECONDS=0: every node is sent to the queue."""

    def turn(self, plan: Plan, roots: Sequence[int], params: bytes) -> AbstractContextManager[Begin]:
        return nullcontext(leave)


def leave(ref: Ref, plan: Plan, ready: Sequence[Ready]) -> Sequence[Ready]:
    """Leave all nodes to the queue. See scheduling.Begin."""
    return ready
