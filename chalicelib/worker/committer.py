"""Commits results, those of several threads in one call, and returns the claimed children to run next."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from chalicelib.best_effort import best_effort
from chalicelib.combiner import Combiner
from chalicelib.core import failure
from chalicelib.core.calls import Children, Completion, Done, Hop
from chalicelib.core.plan import SLICE
from chalicelib.core.transitions import Outcome
from chalicelib.core.weight import hop_room
from chalicelib.core.work import Ref
from chalicelib.errors import Unavailable
from chalicelib.metrics.protocol import Metrics
from chalicelib.scheduling import Dispatch, Settler
from chalicelib.store.protocol import Store
from chalicelib.worker import events
from chalicelib.worker.heartbeat import Heartbeat
from chalicelib.worker.job import Ended, Job
from chalicelib.worker.sizing import Requirements, Sizing

# Most nodes, and most bytes of results, in one commit. It also has at most a slice of children.
MOST, MOST_BYTES = 100, 1024 * 1024

log = logging.getLogger("dag.node")


class Committer:
    """Shared by all threads of a worker."""

    def __init__(
        self,
        *,
        store: Store,
        dispatch: Dispatch,
        settler: Settler,
        heartbeat: Heartbeat,
        sizing: Sizing,
        requirements: Requirements,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._dispatch = dispatch
        self._settler = settler
        self._heartbeat = heartbeat
        self._sizing = sizing
        self._requirements = requirements
        self._metrics = metrics
        self._clock = clock
        self._combiner: Combiner[_Entry, Job] = Combiner(_take_batch, self._commit_batch)

    def commit(self, ended: Iterable[Ended]) -> list[Job]:
        """Commit, and return the claimed children: of these jobs, and of what other threads handed in meanwhile.

        An error of the store ends a job: its lease runs out, and the sweep sends the node again.
        """
        return self._combiner.put([_Entry(one) for one in ended])

    def _commit_batch(self, entries: list[_Entry]) -> list[Job]:
        ref = entries[0].ended.job.ref
        fields = {"instance_id": ref.instance_id, "execution_id": ref.execution_id}
        next_jobs: list[Job] = []
        try:
            next_jobs = self._commit(ref, entries)
        except Unavailable as error:
            best_effort(log.error, "nodes left to the sweep", extra=fields | {"error": failure.message_of(error)})
        except Exception:  # a bug in the engine must not stop the thread: the batch may be another thread's
            best_effort(log.exception, "commit failed", extra=fields)
        for entry in entries:
            job = entry.ended.job
            self._heartbeat.release(ref.instance_id, job.node, job.attempt)
        return next_jobs

    def _commit(self, ref: Ref, entries: Sequence[_Entry]) -> list[Job]:
        plan = entries[0].ended.job.plan
        done = [
            Done(entry.ended.job.node, entry.ended.job.attempt, entry.ended.result, Children(entry.items, entry.cursor))
            for entry in entries
        ]
        committed = self._store.complete(ref.instance_id, done=done, by=self._dispatch.by, hop=self._hop(entries))
        for entry, outcome in zip(entries, committed.outcomes, strict=True):
            events.node(outcome, entry.ended.job, entry.ended.seconds)
        ends = (
            entry.ended.node_end
            for entry, outcome in zip(entries, committed.outcomes, strict=True)
            if outcome is Outcome.COMMITTED
        )
        best_effort(self._metrics.nodes, ends)
        best_effort(self._settler.note_end, ref, plan, committed.status)
        in_place = entries[0].ended.job.in_place
        if in_place is not None:
            in_place.left += committed.ready
        else:
            self._dispatch.unblocked(ref, plan, committed.ready)
        for entry, outcome in zip(entries, committed.outcomes, strict=True):
            if outcome is Outcome.COMMITTED:
                self._settler.settle(ref, plan, entry.ended.job.node, entry.cursor, failed=False)
        return self._next_jobs(entries, committed) if committed.claimed else []

    def _hop(self, entries: Sequence[_Entry]) -> Hop | None:
        """The children that may run here next: those with enough time left, if the hop time is not used up."""
        jobs = [entry.ended.job for entry in entries]
        now, until = self._clock(), max(job.hop_until for job in jobs)
        in_place = jobs[0].in_place
        if in_place is not None:
            in_place.nodes -= len(jobs)
        if now > until or (in_place is not None and in_place.nodes <= 0):
            return None
        plan, deadline = jobs[0].plan, min(job.deadline for job in jobs)
        room = hop_room(
            self._sizing.weight(plan.nodes[job.node].handler)
            for job in jobs
            if not self._requirements.instant(plan, job.node)
        )
        inputs = 0
        if in_place is not None:
            room = room.limited(in_place.nodes)
            # What a child reads may be any of the results that are here.
            known = (*jobs[0].results.values(), *(entry.ended.result for entry in entries))
            inputs = len(jobs[0].params) + sum(map(len, known))
        takes: dict[str, int] = {}  # a wide node has thousands of children, and few handlers
        weights: dict[int, int] = {}
        for entry in entries:
            for child in entry.items[::2]:
                if now + self._requirements.longest(plan, child) >= deadline:
                    continue
                if in_place is not None and not self._requirements.in_place(
                    plan, child, inputs=inputs, large=in_place.large
                ):
                    continue
                name = plan.nodes[child].handler
                if name not in takes:
                    takes[name] = room.takes(self._sizing.weight(name))
                weights[child] = takes[name]
        return Hop(jobs[0].owner, self._heartbeat.lease_ms, room.budget, weights) if weights else None

    def _next_jobs(self, entries: Sequence[_Entry], committed: Completion) -> list[Job]:
        parent = entries[0].ended.job
        plan, ref = parent.plan, parent.ref
        deadline = min(entry.ended.job.deadline for entry in entries)
        hop_until = max(entry.ended.job.hop_until for entry in entries)
        known: dict[int, bytes] = {}
        for entry in entries:
            known |= entry.ended.job.results
            known[entry.ended.job.node] = entry.ended.result
        needs = {child: self._requirements.needs(plan, child) for child in committed.claimed}
        missing = sorted({node for needed in needs.values() for node in needed if node not in known})
        known |= self._store.results(ref.instance_id, missing) if missing else {}
        jobs = [
            Job(
                ref=ref,
                plan=plan,
                node=child,
                attempt=committed.first,
                failures=0,
                epoch=parent.epoch,
                owner=parent.owner,
                params=parent.params,
                results={node: known[node] for node in needs[child] if node in known},
                deadline=deadline,
                hop_until=hop_until,
                delivery=parent.delivery,
                hop=True,
                in_place=parent.in_place,
            )
            for child in committed.claimed
        ]
        for job in jobs:
            self._heartbeat.hold(ref.instance_id, job.node, job.attempt)
        return jobs


class _Entry:
    """An ended job, and the first slice of its children."""

    __slots__ = ("cursor", "ended", "items")

    def __init__(self, ended: Ended) -> None:
        self.ended = ended
        self.items, self.cursor = ended.job.plan.unblocks(ended.job.node)


def _take_batch(waiting: deque[_Entry]) -> list[_Entry]:
    """Remove what one call can commit: entries of the first one's instance. The others stay, in their order."""
    instance_id = waiting[0].ended.job.ref.instance_id
    taken: list[_Entry] = []
    others: list[_Entry] = []
    size = children = 0
    for _ in range(len(waiting)):
        entry = waiting.popleft()
        if entry.ended.job.ref.instance_id == instance_id:
            size, children = size + len(entry.ended.result), children + len(entry.items) // 2
            if not taken or (len(taken) < MOST and size <= MOST_BYTES and children <= SLICE):
                taken.append(entry)
                continue
        others.append(entry)
    waiting.extendleft(reversed(others))
    return taken
