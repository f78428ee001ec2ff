"""A run played through without doing it: what the engine asks of Redis, SQS and Lambda, and how long that takes. Pure.

It follows the rules of the real engine in virtual seconds: `_run_loop` is worker/run_loop.py, `_commit` combiner.py,
`_complete` worker/committer.py, `_dispatch`, `_pack` and `_run_scheduler` are in scheduler/, and `_unblock` is
lua/lib/unblock.lua. One instance runs; nothing fails, is lost or sent again; results are small. A generator is a
thread, and yields the seconds that it waits.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.core import cost
from chalicelib.core.plan import SLICE, Plan
from chalicelib.core.rules import Delays, NodeProfile, Rules, RunTotals
from chalicelib.core.weight import HopRoom, hop_room

Thread = Generator[float, None, None]
NO_HOP = HopRoom(0, 1.0)
TRANSITIONS = frozenset({"create", "claim", "complete", "settle", "take_due"})


class Job(NamedTuple):
    """A claimed node. Its worker may run on with children until `hop_until`."""

    node: int
    hop_until: float


@dataclass(slots=True)
class _Invocation:
    """What the threads of one invocation of a worker share. `ended` are jobs that wait to be committed.

    `first_hop`: it is a trigger that runs at most `nodes` itself, and sends what is `left` when these have ended.
    """

    started_at: float
    first_hop: bool = False
    nodes: int = 0
    left: list[int] = field(default_factory=list)
    threads: int = 0
    committing: bool = False
    ended: deque[Job] = field(default_factory=deque)


class Rehearsal:
    """`needs` returns the nodes whose results a node reads. Without `workers` there is always one that is free."""

    def __init__(
        self,
        plan: Plan,
        profiles: Sequence[NodeProfile],
        *,
        needs: Callable[[int], Sequence[int]],
        rules: Rules,
        delays: Delays,
        workers: int | None = None,
    ) -> None:
        self._plan = plan
        self._profiles = profiles
        self._needs = needs
        self._rules = rules
        self._delays = delays
        self._workers = workers
        # The roots have one parent, the trigger.
        self._parents = [max(1, len(node.dependencies)) for node in plan.nodes]
        self._parents_left = [*self._parents]
        self._nodes_left = len(plan.nodes)
        self._now = 0.0
        self._threads_started = 0
        # By the time at which they go on.
        self._threads: list[tuple[float, int, Thread]] = []
        self._queue: deque[list[int]] = deque()
        # Ready, and left to the scheduler, in the order of Redis: by milliseconds, then by the number as text.
        self._due: list[tuple[int, str, int]] = []
        self._busy_workers = 0
        self._totals = RunTotals()

    def run(self) -> RunTotals:
        self._start(self._trigger())
        while self._threads:
            self._now, _, thread = heapq.heappop(self._threads)
            self._resume(thread)
        # The heartbeat extends a lease three times in its length.
        extensions = sum(int(profile.seconds * 3 / self._rules.lease_seconds) for profile in self._profiles)
        self._totals.redis_calls += extensions
        self._totals.redis_commands += extensions * cost.commands("extend")
        return self._totals

    def _resume(self, thread: Thread) -> None:
        """Run the thread until another one is due before it."""
        while (seconds := next(thread, None)) is not None:
            if self._threads and self._threads[0][0] <= self._now + seconds:
                self._start(thread, after=seconds)
                return
            self._now += seconds

    def _start(self, thread: Thread, *, after: float = 0.0) -> None:
        self._threads_started += 1  # the earlier of two that are due at the same time runs first
        heapq.heappush(self._threads, (self._now + after, self._threads_started, thread))

    def _call(self, name: str, nodes: int = 0) -> Thread:
        self._count(name, nodes)
        yield self._delays.redis

    def _count(self, name: str, nodes: int = 0) -> None:
        self._totals.redis_calls += 1
        self._totals.redis_commands += cost.commands(name, nodes)
        self._totals.transitions += name in TRANSITIONS

    # the trigger

    def _trigger(self) -> Thread:
        yield from self._call("create")
        _, ready = self._unblock(self._plan.roots[:SLICE])
        yield from self._call("note_latest")
        most = self._rules.first_hop_nodes if self._rules.first_hop_seconds else 0
        mine = [node for node in ready if self._in_place(node)][:most]
        hop_until = self._now + self._rules.first_hop_seconds
        if mine:
            yield from self._claim(mine)
        invocation = _Invocation(self._now, first_hop=True, nodes=most)
        jobs = [Job(node, hop_until) for node in mine]
        while jobs:
            jobs = yield from self._turn(invocation, jobs)
        yield from self._dispatch([node for node in ready if node not in mine] + invocation.left, measured=False)
        yield from self._settle(self._plan.roots, measured=False)

    def _in_place(self, node: int) -> bool:
        return self._profiles[node].instant and not self._plan.nodes[node].secrets

    def _claim(self, nodes: Sequence[int]) -> Thread:
        yield from self._call("claim", len(nodes))
        # One command more reads all results that a node needs.
        self._totals.redis_commands += sum(bool(self._needs(node)) for node in nodes)

    # the worker

    def _start_workers(self) -> None:
        while self._queue and (self._workers is None or self._busy_workers < self._workers):
            self._busy_workers += 1
            self._totals.worker_invocations += 1
            self._totals.peak_workers = max(self._totals.peak_workers, self._busy_workers)
            messages = [self._queue.popleft() for _ in range(min(self._rules.batch_size, len(self._queue)))]
            self._start(self._run_worker(messages))

    def _run_worker(self, messages: list[list[int]]) -> Thread:
        invocation = _Invocation(self._now)
        jobs: list[Job] = []
        for message in messages:
            yield from self._claim(message)
            self._totals.messages += 1
            jobs += [Job(node, self._now + self._rules.hop_seconds) for node in message]
        self._spawn(invocation, jobs)

    def _spawn(self, invocation: _Invocation, jobs: list[Job]) -> None:
        invocation.threads += 1
        self._start(self._run_loop(invocation, jobs))

    def _run_loop(self, invocation: _Invocation, jobs: list[Job]) -> Thread:
        while jobs:
            instant = [job for job in jobs if self._profiles[job.node].instant]
            slow = [job for job in jobs if not self._profiles[job.node].instant]
            for job in slow if instant else slow[:-1]:
                self._spawn(invocation, [job])
            jobs = yield from self._turn(invocation, instant or slow[-1:])
        invocation.threads -= 1
        if not invocation.threads:
            self._totals.lambda_seconds += self._now - invocation.started_at
            self._busy_workers -= 1
            self._start_workers()

    def _turn(self, invocation: _Invocation, jobs: list[Job]) -> Generator[float, None, list[Job]]:
        following: list[Job] = []
        for first in range(0, len(jobs), self._rules.commit_size):
            ended = jobs[first : first + self._rules.commit_size]
            yield sum(self._profiles[job.node].seconds for job in ended)
            following += yield from self._commit(invocation, ended)
        return following

    def _commit(self, invocation: _Invocation, ended: list[Job]) -> Generator[float, None, list[Job]]:
        """Commit what has ended in all threads, unless another thread does: that one then runs on with the children."""
        following: list[Job] = []
        invocation.ended.extend(ended)
        if invocation.committing:
            return following
        invocation.committing = True
        while invocation.ended:
            following += yield from self._complete(invocation, self._take_batch(invocation.ended))
        invocation.committing = False
        return following

    def _take_batch(self, ended: deque[Job]) -> list[Job]:
        """As many jobs as one commit holds, by their number and that of their children."""
        taken = [ended.popleft()]
        children = len(self._plan.children[taken[0].node][:SLICE])
        while ended and len(taken) < self._rules.commit_size:
            children += len(self._plan.children[ended[0].node][:SLICE])
            if children > SLICE:
                break
            taken.append(ended.popleft())
        return taken

    def _complete(self, invocation: _Invocation, jobs: list[Job]) -> Generator[float, None, list[Job]]:
        nodes = [job.node for job in jobs]
        children = [child for node in nodes for child in self._plan.children[node][:SLICE]]
        hop_until = max(job.hop_until for job in jobs)
        may_hop = self._now <= hop_until
        seconds_left = invocation.started_at + self._rules.function_seconds - self._now if may_hop else 0.0
        room = hop_room(self._profiles[node].weight for node in nodes if not self._profiles[node].instant)
        if invocation.first_hop:
            invocation.nodes -= len(jobs)
            room = room.limited(invocation.nodes)
        yield from self._call("complete", len(jobs))
        claimed, ready = self._unblock(children, room, seconds_left, in_place=invocation.first_hop)
        self._nodes_left -= len(jobs)
        if not self._nodes_left:
            self._totals.makespan_seconds = self._now
        if invocation.first_hop:
            invocation.left += ready
        else:
            yield from self._dispatch(ready, measured=True)
        for node in nodes:
            yield from self._settle(self._plan.children[node], measured=not invocation.first_hop)
        if claimed and self._must_read_results(nodes, claimed):
            yield from self._call("results")
        return [Job(child, hop_until) for child in claimed]

    def _must_read_results(self, parents: Sequence[int], claimed: Sequence[int]) -> bool:
        """Whether a claimed node needs a result that is neither one of its parents' nor one that these had read."""
        missing = {node for child in claimed for node in self._needs(child)}.difference(parents)
        return bool(missing) and not missing <= {node for parent in parents for node in self._needs(parent)}

    # what becomes ready

    def _unblock(
        self, children: Iterable[int], hop: HopRoom = NO_HOP, seconds_left: float = 0.0, *, in_place: bool = False
    ) -> tuple[list[int], list[int]]:
        """The children that are claimed at once, as far as room and time go; and the others that become ready."""
        completed_parents: dict[int, int] = {}
        room = hop.budget
        for child in children:
            completed_parents[child] = completed_parents.get(child, 0) + 1
        claimed, ready = [], []
        for child, completed in completed_parents.items():
            self._parents_left[child] -= completed
            self._totals.redis_commands += completed < self._parents[child]  # Redis keeps count
            if self._parents_left[child] == 0:
                profile = self._profiles[child]
                takes = hop.takes(profile.weight)
                fits = takes <= room and profile.longest_seconds < seconds_left
                if fits and (not in_place or self._in_place(child)):
                    room -= takes
                    claimed.append(child)
                else:
                    ready.append(child)
        return claimed, ready

    def _settle(self, children: Sequence[int], *, measured: bool) -> Thread:
        for start in range(SLICE, len(children), SLICE):
            yield from self._call("settle")
            _, ready = self._unblock(children[start : start + SLICE])
            yield from self._send(ready, measured=measured)

    def _dispatch(self, ready: Sequence[int], *, measured: bool) -> Thread:
        if self._rules.inline:
            yield from self._send(ready, measured=measured)
        elif ready:
            for node in ready:
                heapq.heappush(self._due, (round(self._now * 1000), str(node), node))
            yield self._delays.aws
            self._start(self._run_scheduler())

    def _run_scheduler(self) -> Thread:
        yield self._delays.scheduler
        started_at = self._now
        self._totals.scheduler_invocations += 1
        more = True
        while more:
            yield self._delays.redis
            if not self._nodes_left:
                self._count("look_at_ended")
                break
            taken = [heapq.heappop(self._due)[2] for _ in range(min(self._rules.take_due_limit, len(self._due)))]
            more = bool(self._due)
            self._count("take_due", len(taken))
            if taken:
                yield from self._call("execution_of")
                yield from self._send(taken, measured=False)
        self._totals.lambda_seconds += self._now - started_at

    def _send(self, ready: Sequence[int], *, measured: bool) -> Thread:
        """`measured`: the process that sends has run nodes of these handlers, and knows what they weigh."""
        messages = [*self._pack(ready, measured=measured)]
        for first in range(0, len(messages), self._rules.batch_size):
            self._totals.sqs_send_requests += 1
            yield self._delays.aws
            self._start(self._deliver(messages[first : first + self._rules.batch_size]))

    def _pack(self, ready: Sequence[int], *, measured: bool) -> Iterator[list[int]]:
        message: list[int] = []
        room = self._rules.room
        for node in ready:
            profile = self._profiles[node]
            weight = (profile.weight if measured else profile.unmeasured_weight).size
            if weight > room:
                yield message
                message, room = [], self._rules.room
            message.append(node)
            room -= weight
        if message:
            yield message

    def _deliver(self, messages: list[list[int]]) -> Thread:
        yield self._delays.queue
        self._queue.extend(messages)
        self._start_workers()
