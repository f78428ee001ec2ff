"""A run played through without doing it: what the engine asks of Redis, SQS and Lambda, and how long that takes. Pure.

It goes by the rules of the real one, in virtual seconds: `_crew` is worker/run_loop.py, `_commit` combiner.py, `_act`
worker/committer.py, `_dispatch` and `_schedule` are in scheduler/, `_unblock` is lua/lib/unblock.lua. One instance
runs; nothing fails, is lost or sent again; results are small. A generator is a thread and yields the seconds to wait.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from chalicelib.core import cost
from chalicelib.core.plan import SLICE, Plan
from chalicelib.core.rules import Delays, Rules, Step, Tally

Thread = Generator[float, None, None]
Job = tuple[int, float]  # a node, and until when its worker may run on with children
TRIGGER = -1  # the parent of the roots
TRANSITIONS = frozenset({"create", "claim", "complete", "settle", "take_due"})


@dataclass(slots=True)
class _Invocation:
    """What the threads of one invocation of a worker share."""

    begun: float
    threads: int = 0
    acting: bool = False
    ended: deque[Job] = field(default_factory=deque)


class Rehearsal:
    """`needs` answers the nodes whose results a node reads. Without `workers` there is always one that is free."""

    def __init__(
        self,
        plan: Plan,
        steps: Sequence[Step],
        *,
        needs: Callable[[int], Sequence[int]],
        rules: Rules,
        delays: Delays,
        workers: int | None = None,
    ) -> None:
        self._plan = plan
        self._steps = steps
        self._needs = needs
        self._rules = rules
        self._delays = delays
        self._workers = workers
        self._parents = [max(1, len(node.dependencies)) for node in plan.nodes]
        self._left = [*self._parents]
        self._to_end = len(plan.nodes)
        self._now = 0.0
        self._started = 0
        self._threads: list[tuple[float, int, Thread]] = []
        self._queue: deque[list[int]] = deque()
        # Ready, and left to the scheduler, in the order of Redis: by milliseconds, then by the number as text.
        self._due: list[tuple[int, str, int]] = []
        self._working = 0
        self._tally = Tally()

    def run(self) -> Tally:
        self._start(self._trigger())
        while self._threads:
            self._now, _, thread = heapq.heappop(self._threads)
            self._resume(thread)
        # A heart extends a lease three times in its length.
        beats = sum(int(step.seconds * 3 / self._rules.lease_seconds) for step in self._steps)
        self._tally.calls += beats
        self._tally.commands += beats * cost.commands("extend")
        return self._tally

    def _resume(self, thread: Thread) -> None:
        """As long as nobody else is due before it."""
        while (seconds := next(thread, None)) is not None:
            if self._threads and self._threads[0][0] <= self._now + seconds:
                return self._start(thread, after=seconds)
            self._now += seconds

    def _start(self, thread: Thread, *, after: float = 0.0) -> None:
        self._started += 1  # of two that are due at the same time the first comes first
        heapq.heappush(self._threads, (self._now + after, self._started, thread))

    def _call(self, name: str, nodes: int = 0) -> Thread:
        self._count(name, nodes)
        yield self._delays.redis

    def _count(self, name: str, nodes: int = 0) -> None:
        self._tally.calls += 1
        self._tally.commands += cost.commands(name, nodes)
        self._tally.transitions += name in TRANSITIONS

    # the trigger

    def _trigger(self) -> Thread:
        yield from self._call("create")
        _, ready = self._unblock(self._plan.roots[:SLICE])
        yield from self._call("note_latest")
        yield from self._dispatch(ready, measured=False)
        yield from self._settle(self._plan.roots, measured=False)

    # the worker

    def _wake(self) -> None:
        while self._queue and (self._workers is None or self._working < self._workers):
            self._working += 1
            self._tally.invocations += 1
            self._tally.at_once = max(self._tally.at_once, self._working)
            messages = [self._queue.popleft() for _ in range(min(self._rules.batch, len(self._queue)))]
            self._start(self._invocation(messages))

    def _invocation(self, messages: list[list[int]]) -> Thread:
        invocation = _Invocation(self._now)
        jobs: list[Job] = []
        for message in messages:
            yield from self._call("claim", len(message))
            self._tally.commands += sum(bool(self._needs(node)) for node in message)  # one more reads all of them
            self._tally.messages += 1
            jobs += [(node, self._now + self._rules.hop_seconds) for node in message]
        self._spawn(invocation, jobs)

    def _spawn(self, invocation: _Invocation, jobs: list[Job]) -> None:
        invocation.threads += 1
        self._start(self._run_loop(invocation, jobs))

    def _run_loop(self, invocation: _Invocation, jobs: list[Job]) -> Thread:
        while jobs:
            instant = [job for job in jobs if self._steps[job[0]].instant]
            slow = [job for job in jobs if not self._steps[job[0]].instant]
            for job in slow if instant else slow[:-1]:
                self._spawn(invocation, [job])
            jobs = yield from self._turn(invocation, instant or slow[-1:])
        invocation.threads -= 1
        if not invocation.threads:
            self._tally.busy += self._now - invocation.begun
            self._working -= 1
            self._wake()

    def _turn(self, invocation: _Invocation, jobs: list[Job]) -> Generator[float, None, list[Job]]:
        following: list[Job] = []
        for first in range(0, len(jobs), self._rules.most):
            ended = jobs[first : first + self._rules.most]
            yield sum(self._steps[node].seconds for node, _ in ended)
            following += yield from self._commit(invocation, ended)
        return following

    def _commit(self, invocation: _Invocation, ended: list[Job]) -> Generator[float, None, list[Job]]:
        """Who finds nobody acting acts for all that have ended meanwhile, and goes on with what follows."""
        following: list[Job] = []
        invocation.ended.extend(ended)
        if invocation.acting:
            return following
        invocation.acting = True
        while invocation.ended:
            following += yield from self._act(invocation, self._together(invocation.ended))
        invocation.acting = False
        return following

    def _together(self, ended: deque[Job]) -> list[Job]:
        taken = [ended.popleft()]
        children = len(self._plan.children[taken[0][0]][:SLICE])
        while ended and len(taken) < self._rules.most:
            children += len(self._plan.children[ended[0][0]][:SLICE])
            if children > SLICE:
                break
            taken.append(ended.popleft())
        return taken

    def _act(self, invocation: _Invocation, jobs: list[Job]) -> Generator[float, None, list[Job]]:
        children = [child for node, _ in jobs for child in self._plan.children[node][:SLICE]]
        until = max(until for _, until in jobs)
        left = invocation.begun + self._rules.function_seconds - self._now if self._now <= until else 0.0
        slow = sum(not self._steps[node].instant for node, _ in jobs)
        yield from self._call("complete", len(jobs))
        claimed, ready = self._unblock(children, self._rules.room * max(1, slow), left)
        self._to_end -= len(jobs)
        if not self._to_end:
            self._tally.seconds = self._now
        yield from self._dispatch(ready, measured=True)
        for node, _ in jobs:
            yield from self._settle(self._plan.children[node], measured=True)
        if claimed and self._misses([node for node, _ in jobs], claimed):
            yield from self._call("results")
        return [(child, until) for child in claimed]

    def _misses(self, parents: Sequence[int], claimed: Sequence[int]) -> bool:
        """Whether a claimed node reads what neither its parents yielded nor they had read themselves."""
        missing = {node for child in claimed for node in self._needs(child)}.difference(parents)
        return bool(missing) and not missing <= {node for parent in parents for node in self._needs(parent)}

    # what becomes ready

    def _unblock(self, children: Iterable[int], room: int = 0, left: float = 0.0) -> tuple[list[int], list[int]]:
        """The children that are claimed at once, as far as room and time that is left go; and the other ready ones."""
        count: dict[int, int] = {}
        for child in children:
            count[child] = count.get(child, 0) + 1
        claimed, ready = [], []
        for child, done in count.items():
            self._left[child] -= done
            self._tally.commands += done < self._parents[child]  # Redis keeps count
            if self._left[child] == 0:
                step = self._steps[child]
                if step.weight <= room and step.longest < left:
                    room -= step.weight
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
            self._start(self._schedule())

    def _schedule(self) -> Thread:
        yield self._delays.scheduler
        begun = self._now
        self._tally.scheduled += 1
        more = True
        while more:
            yield self._delays.redis
            if not self._to_end:
                self._count("look_at_ended")
                break
            taken = [heapq.heappop(self._due)[2] for _ in range(min(self._rules.due, len(self._due)))]
            more = bool(self._due)
            self._count("take_due", len(taken))
            if taken:
                yield from self._call("execution_of")
                yield from self._send(taken, measured=False)
        self._tally.busy += self._now - begun

    def _send(self, ready: Sequence[int], *, measured: bool) -> Thread:
        messages = [*self._messages(ready, measured=measured)]
        for first in range(0, len(messages), self._rules.batch):
            self._tally.sends += 1
            yield self._delays.aws
            self._start(self._deliver(messages[first : first + self._rules.batch]))

    def _messages(self, ready: Sequence[int], *, measured: bool) -> Iterator[list[int]]:
        together: list[int] = []
        left = self._rules.room
        for node in ready:
            step = self._steps[node]
            size = step.weight if measured else step.unmeasured
            if size > left:
                yield together
                together, left = [], self._rules.room
            together.append(node)
            left -= size
        if together:
            yield together

    def _deliver(self, messages: list[list[int]]) -> Thread:
        yield self._delays.queue
        self._queue.extend(messages)
        self._wake()
