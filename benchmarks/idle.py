"""`python -m benchmarks.idle`: what nodes cost that wait 5 s each and trickle in, in virtual time.

Each node has a message of its own. Three ways are compared: the event source mapping as the template sets it; a lower
WorkerConcurrency, with which messages wait for each other; and invocations that receive further messages themselves
while their nodes wait, which is not built (docs/decisions/2026-11-26-an-invocation-does-not-receive.md).

The mapping has five invocations at once, and five more with each second in which messages wait, up to its limit
(benchmarks/capacity/limits.py). Which of several open polls gets a message AWS does not say: here, any of them. It does
not say either whether the mapping keeps polls open while others empty the queue. `eager`: five, up to its limit; else
it has as many as it may have invocations more.
"""

from __future__ import annotations

import functools
import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.capacity.limits import BATCH, POLLERS, POLLERS_PER_SECOND, WORKERS
from benchmarks.results import percentile
from chalicelib.core import cost

MEMORY_GB = 0.5
WAIT_SECONDS = 5.0
ROOM = 200  # WAITING_NODES
POLL_SECONDS = 1.0  # the shortest that waits for a message
RECEIVE_SECONDS = 0.02
WARM_SECONDS, SECONDS = 60.0, 600.0  # of which the latter count


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`limit`: invocations at once. `receives`: for how many seconds an invocation receives messages itself."""

    title: str
    limit: int = WORKERS
    receives: float = 0.0
    eager: bool = False


@dataclass(slots=True, eq=False)
class Invocation:
    """`nodes` are those that wait in it; `polls` counts its requests, so that one that was answered does not end."""

    began: float
    nodes: int = 0
    polls: int = 0
    polling: bool = False


@dataclass(slots=True)
class Outcome:
    """`late`: how long each node waited for an invocation, in seconds."""

    nodes: int = 0
    gb_seconds: float = 0.0
    invocations: int = 0
    most: int = 0
    requests: int = 0
    late: list[float] = field(default_factory=list)

    @property
    def gb_seconds_a_node_second(self) -> float:
        return self.gb_seconds / (self.nodes * WAIT_SECONDS)

    @property
    def dollars(self) -> float:
        """US$ per million nodes, for Lambda and for what is received and deleted."""
        functions = self.gb_seconds * cost.LAMBDA_GB_SECOND + self.invocations * cost.LAMBDA_REQUEST
        return (functions + self.requests * cost.SQS_REQUEST) / self.nodes * 1e6

    def percentile(self, percent: float) -> float:
        return percentile(self.late, percent)


class Model:
    """One run, with so many nodes a second at random times."""

    def __init__(self, way: Way, rate: float, *, seed: int = 1) -> None:
        self._way, self._rate = way, rate
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._now = 0.0
        self._queue: deque[float] = deque()
        self._allowed = min(float(POLLERS), way.limit)
        self._busy: dict[Invocation, None] = {}  # in the order of their beginnings, so that a seed repeats a run
        self.outcome = Outcome()

    def run(self) -> Outcome:
        self._after(self._random.expovariate(self._rate), self._arrive)
        self._after(1.0, self._grow)
        while self._events:
            self._now, _, act = heapq.heappop(self._events)
            act()
        return self.outcome

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self._now + seconds, self._count, act))

    @property
    def _going_on(self) -> bool:
        return self._now < WARM_SECONDS + SECONDS

    def _counts(self, at: float) -> bool:
        return WARM_SECONDS <= at < WARM_SECONDS + SECONDS

    def _arrive(self) -> None:
        if not self._going_on:
            return
        self._after(self._random.expovariate(self._rate), self._arrive)
        self.outcome.nodes += self._counts(self._now)
        self._queue.append(self._now)
        polling = [invocation for invocation in self._busy if invocation.polling]
        chosen = self._random.randrange(self._open_polls + len(polling)) if self._open_polls or polling else None
        if chosen is not None and chosen < len(polling):
            self._receive(polling[chosen])
        elif chosen is not None:
            self._invoke()

    def _grow(self) -> None:
        if self._queue:
            self._allowed = min(self._way.limit, self._allowed + POLLERS_PER_SECOND)
            self._poll()
        if self._going_on or self._queue:
            self._after(1.0, self._grow)

    # the mapping

    @property
    def _open_polls(self) -> int:
        most = self._way.limit if self._way.eager else int(self._allowed)
        free = most - len(self._busy)
        return max(0, min(POLLERS, free) if self._way.eager else free)

    def _poll(self) -> None:
        while self._queue and self._open_polls:
            self._invoke()

    def _invoke(self) -> None:
        invocation = Invocation(self._now)
        self._busy[invocation] = None
        self.outcome.most = max(self.outcome.most, len(self._busy))
        self.outcome.invocations += self._counts(self._now)
        self._take(invocation, BATCH)
        if self._way.receives:
            # What waits less than a poll lasts would wait for the poll.
            self._after(POLL_SECONDS, functools.partial(self._receive, invocation))

    def _take(self, invocation: Invocation, most: int) -> None:
        taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        self.outcome.late += [self._now - at for at in taken if self._counts(at)]
        self.outcome.requests += 2 * self._counts(self._now)
        invocation.nodes += len(taken)
        self._after(WAIT_SECONDS, functools.partial(self._end, invocation, len(taken)))

    def _end(self, invocation: Invocation, nodes: int) -> None:
        invocation.nodes -= nodes
        self._leave(invocation)

    def _leave(self, invocation: Invocation) -> None:
        """The invocation ends with its last node, and not before its poll."""
        if invocation.nodes or invocation.polling or invocation not in self._busy:
            return
        del self._busy[invocation]
        counted = min(self._now, WARM_SECONDS + SECONDS) - max(invocation.began, WARM_SECONDS)
        self.outcome.gb_seconds += MEMORY_GB * max(0.0, counted)
        self._poll()

    # what an invocation receives itself

    def _receive(self, invocation: Invocation) -> None:
        """Receive what is there; else wait for it with a poll."""
        invocation.polling = False
        invocation.polls += 1
        if invocation.nodes and self._now < invocation.began + self._way.receives:
            room = min(BATCH, ROOM - invocation.nodes)
            again = functools.partial(self._unless_answered, invocation, invocation.polls)
            if self._queue and room:
                self._take(invocation, room)
                self._after(RECEIVE_SECONDS, again)
            else:
                invocation.polling = room > 0
                self.outcome.requests += self._counts(self._now) if room else 0
                self._after(POLL_SECONDS, again)
        else:
            self._leave(invocation)

    def _unless_answered(self, invocation: Invocation, polls: int) -> None:
        if invocation.polls == polls:
            self._receive(invocation)


def ways(rate: float) -> list[Way]:
    """`few`: an eighth of the nodes that wait at once, of which ten fit into an invocation."""
    few = max(2, round(rate * WAIT_SECONDS / 8))
    fewest = max(2, round(rate * WAIT_SECONDS / 50))
    return [
        Way(title="as the template sets it"),
        Way(title=f"WorkerConcurrency {few}", limit=few),
        Way(title="receives for 60 s, the mapping is eager", receives=60, eager=True),
        Way(title="receives for 60 s, the mapping is not", receives=60),
        Way(title=f"receives for 60 s, WorkerConcurrency {fewest}", receives=60, limit=fewest),
    ]


def table() -> list[str]:
    lines = ["| nodes a second | way | GB-seconds a node second | US$ per million nodes | late by, p50 s | p95 s |"]
    lines.append("|---|---|---|---|---|---|")
    for rate in (1, 10, 100):
        for way in ways(rate):
            found = Model(way, rate).run()
            late = f"{found.percentile(50):.1f} | {found.percentile(95):.1f}"
            figures = f"{found.gb_seconds_a_node_second:.3f} | {found.dollars:.1f} | {late}"
            lines.append(f"| {rate} | {way.title} | {figures} |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
