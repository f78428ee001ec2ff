"""Virtual time, and the processes and actors in it: one runs at a time, and chance decides which is next.

An actor is a greenlet. It runs until it sleeps or waits; then the hub wakes the one that is due first. So the same seed
gives the same interleaving, and a crash can fall between any two calls of the engine.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet


class Died(Exception):
    """The process that was to answer has died."""


class Process:
    """Actors and their memory, which a kill ends at once."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.paused_until = 0.0
        self.actors: set[_Actor] = set()
        self.promises: set[Future] = set()

    def __str__(self) -> str:
        return self.name

    def check(self) -> None:
        """Raise in a dead process, so that its `except` and `finally` have no effect."""
        if not self.alive:
            raise GreenletExit

    def crash(self) -> None:
        """Kill the process, as by kill -9. Does not return if the process itself calls it."""
        if not self.alive:
            return
        self.alive = False
        current = getcurrent()
        for actor in sorted(self.actors, key=lambda actor: actor.number):
            if actor is not current and not actor.dead:
                actor.parent = current  # where it returns to when it has ended
                actor.throw(GreenletExit)
        for promise in sorted(self.promises, key=lambda promise: promise.number):
            promise.settle(error=Died(self.name))
        if current in self.actors:
            raise GreenletExit

    def pause(self, seconds: float) -> None:
        """Stop the process for this long, as by SIGSTOP and SIGCONT."""
        self.paused_until = self.world.now + seconds


class Future:
    """An answer that has not arrived yet."""

    def __init__(self, world: World, number: int) -> None:
        self.number = number
        self.done = False
        self._world = world
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiting: list[_Actor] = []

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        if not self.done:
            self.done, self._value, self._error = True, value, error
            for actor in self._waiting:
                self._world.wake(actor, 0.0)

    def wait(self) -> Any:
        """Return the value once it is there. Raises what the call raised, or Died."""
        self._world.current.process.check()
        if not self.done:
            self._waiting.append(self._world.current)
            self._world.switch()
        if self._error is not None:
            raise self._error
        return self._value


class World:
    """`now` is in seconds. `latency` draws how long a step takes; it decides the interleaving, and nothing else."""

    def __init__(self, chance: Random) -> None:
        self.now = 0.0
        self.errors: list[BaseException] = []
        self._chance = chance
        self._hub = getcurrent()
        self._due: list[tuple[float, float, int, _Actor]] = []
        self._count = 0

    @property
    def current(self) -> _Actor:
        actor = getcurrent()
        assert isinstance(actor, _Actor)
        return actor

    def process(self, name: str) -> Process:
        return Process(self, name)

    def start(self, process: Process, call: Callable[[], Any], *, delay: float = 0.0) -> Future:
        """Run `call` in `process` after `delay` seconds. The future gets what it returns."""
        self._count += 1
        future = Future(self, self._count)
        if not process.alive:
            future.settle(error=Died(process.name))
            return future
        process.promises.add(future)
        actor = _Actor(self, process, call, future, self._count)
        process.actors.add(actor)
        self.wake(actor, delay)
        return future

    def sleep(self, seconds: float) -> None:
        """Let others run for this long. Raises GreenletExit if the process dies meanwhile."""
        actor = self.current
        actor.process.check()
        self.wake(actor, seconds)
        self.switch()

    def latency(self) -> None:
        """Draw how long a call over the network takes: mostly a millisecond, sometimes a few hundredths of a second."""
        draw = self._chance.random()
        self.sleep(draw * 0.002 if draw < 0.97 else (draw - 0.97) * 2)

    def spawn(self, call: Callable[[], None]) -> Callable[[], None]:
        """See chalicelib.worker.run_loop.spawn."""
        return self.start(self.current.process, call).wait

    def cancel(self, process: Process, future: Future) -> None:
        """End the actor behind a future that is no longer needed."""
        for actor in [one for one in process.actors if one.future is future]:
            actor.parent = getcurrent()
            actor.throw(GreenletExit)

    def wake(self, actor: _Actor, delay: float) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now + delay, self._chance.random(), self._count, actor))

    def switch(self) -> None:
        self._hub.switch()

    def run(self, finished: Callable[[], bool], *, until: float) -> bool:
        """Advance the clock until `finished()`. Returns False at `until` (in seconds). Raises what an actor raised."""
        while not finished():
            if not self._due or self._due[0][0] > until:
                return False
            time, _, _, actor = heapq.heappop(self._due)
            self.now = max(self.now, time)
            if not actor.process.alive or actor.dead:
                continue
            if actor.process.paused_until > self.now:
                self.wake(actor, actor.process.paused_until - self.now)
                continue
            actor.parent = self._hub
            actor.switch()
            if self.errors:
                raise self.errors[0]
        return True

    def close(self) -> None:
        """End every actor that still waits."""
        for _, _, _, actor in self._due:
            actor.process.crash()
        self._due.clear()


class _Actor(greenlet):
    def __init__(self, world: World, process: Process, call: Callable[[], Any], future: Future, number: int) -> None:
        super().__init__()
        self.world, self.process, self.number = world, process, number
        self._call, self.future = call, future

    def run(self) -> None:
        try:
            value = self._call()
        except GreenletExit:
            self.future.settle(error=Died(self.process.name))
        except Exception as error:
            self.future.settle(error=error)
        except BaseException as error:  # a broken invariant
            self.world.errors.append(error)
        else:
            self.future.settle(value)
        finally:
            self.process.actors.discard(self)
            self.process.promises.discard(self.future)
