"""The calls of a process to anything outside: they take time, and the process may crash before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.faults import Faults
from tests.simulation.world import Process, World


class Calls:
    """The calls of one process. `stop_seconds` is how long it stands still when it is stopped."""

    def __init__(self, world: World, process: Process, faults: Faults, *, stop_seconds: float) -> None:
        self._world, self._process, self._faults = world, process, faults
        self._stop_seconds = stop_seconds

    def run(self, call: Callable[[], Any]) -> Any:
        """Make a call, which happens at once, as a whole. Others run before it, and before its answer arrives."""
        self._process.check()
        self._world.latency()
        if self._faults.hit("crash before a call"):
            self._process.crash()
        answer = call()
        if self._faults.hit("crash after a call"):
            self._process.crash()
        if self._faults.hit("stop for longer than a lease"):
            self._process.pause(self._stop_seconds * (1 + self._faults.draw("stop for longer than a lease")))
        self._world.latency()
        if self._faults.hit("slow call"):
            self._world.sleep(self._stop_seconds * self._faults.draw("slow call"))
        return answer
