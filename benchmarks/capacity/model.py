"""A small discrete-event model of queue, mapping, workers and Redis. docs/capacity.md has its assumptions."""

from __future__ import annotations

import functools
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.capacity import limits
from benchmarks.capacity.workloads import Stage, Workload
from benchmarks.results import percentile


class Server:
    """A server with `places` places, each for one request at a time, in the order of arrival."""

    def __init__(self, places: int = 1) -> None:
        self._free = [0.0] * places
        self.busy = 0.0

    @property
    def free(self) -> float:
        """The time at which it can begin the next request."""
        return self._free[0]

    def done(self, at: float, seconds: float) -> float:
        end = max(at, heapq.heappop(self._free)) + seconds
        heapq.heappush(self._free, end)
        self.busy += seconds
        return end


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the model runs. Rates are per second, times in seconds.

    `cores`: processors that everything shares; if None, each invocation has a share `processor` of its own. `units`:
    what a slot and the whole cache serve; if None, Redis uses its own time on one of the cores.
    """

    workers: int
    pollers: int
    pollers_per_second: float
    start: float
    hop: float
    round_trip: float
    cold_start: float = 0.0
    processor: float = 1.0
    cores: int | None = None
    sqs_request: float = 0.0
    trigger: float = 0.0
    units: tuple[float, float] | None = None


AWS = Place(
    workers=limits.WORKERS,
    pollers=limits.POLLERS,
    pollers_per_second=limits.POLLERS_PER_SECOND,
    start=limits.START + limits.SEND_SECONDS,
    hop=limits.ASYNC_START + limits.SCHEDULER_SECONDS,
    round_trip=limits.ROUND_TRIP,
    cold_start=0.25 / limits.PROCESSOR,
    processor=limits.PROCESSOR,
    units=(limits.SLOT_UNITS, limits.CACHE_UNITS),
)


@dataclass(slots=True)
class Instance:
    began: float
    slot: int
    stage: int = -1
    left: int = 0


@dataclass(slots=True)
class Outcome:
    """The result of a run. `latencies` are in the order in which the instances ended."""

    latencies: list[float] = field(default_factory=list)
    ended: float = 0.0
    backlog: int = 0
    concurrency: int = 0
    redis: float = 0.0

    def percentile(self, percent: float) -> float:
        return percentile(self.latencies, percent)


class Model:
    """One run. A batch is an invocation: it claims, waits for its handlers, and commits."""

    def __init__(self, place: Place, load: Workload) -> None:
        self._place, self._load = place, load
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._queue: deque[Instance] = deque()
        self._allowed = float(place.pollers)
        self._busy = self._warm = 0
        self._cores = Server(place.cores) if place.cores else None
        self._http, self._broker = Server(), Server()
        self._slots = [Server() for _ in range(limits.SLOTS if place.units else 1)]
        self._cache = Server()
        self.outcome = Outcome()

    def run(self, arrivals: list[float]) -> Outcome:
        """Trigger an instance at each of these times, and go on until all have ended."""
        for number, at in enumerate(arrivals):
            self._at(at, functools.partial(self._trigger, slot=number))
        self._at(1.0, self._grow)
        while self._events:
            now, _, act = heapq.heappop(self._events)
            act(now)
            if len(self.outcome.latencies) == len(arrivals):
                break
        self.outcome.ended = now
        self.outcome.redis = self._cache.busy / now
        return self.outcome

    def _at(self, when: float, act: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, act))

    def _work(self, now: float, seconds: float, process: Server | None = None) -> float:
        """When this work on a processor ends; with `process`, that does one thing at a time."""
        if self._cores is None:
            return now + seconds / self._place.processor
        begin = max(now, self._cores.free, process.free if process else now)
        if process:
            process.done(begin, seconds)
        return self._cores.done(begin, seconds)

    def _sqs(self, now: float, requests: float) -> float:
        seconds = requests * self._place.sqs_request
        return self._work(now, seconds, self._broker) if seconds else now

    def _redis(self, now: float, instance: Instance, nodes: float) -> float:
        use = self._load.use
        if self._place.units is None:
            return self._work(now, nodes * use.script_seconds, self._cache)
        slot, whole = self._place.units
        own = self._slots[instance.slot % limits.SLOTS].done(now, nodes * use.units / slot)
        return max(own, self._cache.done(now, nodes * use.units / whole))

    def _trigger(self, now: float, slot: int) -> None:
        instance = Instance(now, slot)
        done = self._work(now, self._place.trigger, self._http) if self._place.trigger else now
        self._next(done, instance)

    def _next(self, now: float, instance: Instance) -> None:
        """Send the messages of the next stage; without one, the instance has ended."""
        instance.stage += 1
        if instance.stage == len(self._load.stages):
            self.outcome.latencies.append(now - instance.began)
            return
        messages = instance.left = self._load.stages[instance.stage].messages
        sent = self._sqs(now, -(-messages // limits.BATCH)) + (self._place.hop if instance.stage else 0)
        self._at(sent + self._place.start, lambda now: self._arrive(now, instance, messages))

    def _arrive(self, now: float, instance: Instance, messages: int) -> None:
        self._queue.extend([instance] * messages)
        self._poll(now)

    def _grow(self, now: float) -> None:
        """Raise the mapping's concurrency while messages wait: each second, by AWS's rate per minute."""
        if self._queue:
            self._allowed = min(self._place.workers, self._allowed + self._place.pollers_per_second)
            self._poll(now)
        self._at(now + 1.0, self._grow)

    def _poll(self, now: float) -> None:
        while self._queue and self._busy < int(self._allowed):
            batch = [self._queue.popleft() for _ in range(min(limits.BATCH, len(self._queue)))]
            self._busy += 1
            cold = self._place.cold_start if self._busy > self._warm else 0.0
            self._warm = max(self._warm, self._busy)
            self.outcome.concurrency = max(self.outcome.concurrency, self._busy)
            self._invoke(self._sqs(now, 1) + cold, batch)
        self.outcome.backlog = max(self.outcome.backlog, len(self._queue))

    def _invoke(self, now: float, batch: list[Instance]) -> None:
        stages = [self._load.stages[instance.stage] for instance in batch]
        nodes = sum(stage.nodes for stage in stages)
        claimed = self._both(self._work(now, nodes * self._load.use.worker_seconds / 2), batch, stages)
        waited = claimed + max(stage.seconds for stage in stages)
        self._at(waited, lambda now: self._commit(now, batch, stages, nodes))

    def _commit(self, now: float, batch: list[Instance], stages: list[Stage], nodes: int) -> None:
        committed = self._both(self._work(now, nodes * self._load.use.worker_seconds / 2), batch, stages)
        self._at(committed, lambda now: self._end(now, batch))

    def _both(self, now: float, batch: list[Instance], stages: list[Stage]) -> float:
        """When half of the batch's Redis work ends. Calls of different messages overlap; the slowest one counts."""
        pairs = zip(batch, stages, strict=True)
        return max(self._redis(now, one, stage.nodes / 2) for one, stage in pairs) + self._place.round_trip

    def _end(self, now: float, batch: list[Instance]) -> None:
        self._busy -= 1
        self._sqs(now, 1)
        for instance in batch:
            instance.left -= 1
            if not instance.left:
                self._next(now, instance)
        self._poll(now)
