"""A deployed function: as many execution environments as its events need at once."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from local.functions.environment import Environment


class Function:
    """Starts environments as events come, up to `concurrency`, and uses idle ones again. Safe in threads."""

    def __init__(
        self, name: str, start: Callable[[], Environment], *, timeout_seconds: float, concurrency: int = 1
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.started = 0
        self._start = start
        self._room = threading.Semaphore(concurrency)
        self._lock = threading.Lock()
        self._generation = 0
        self._idle: list[Environment] = []
        self._busy: set[Environment] = set()

    def __call__(self, event: Any, context: Any = None) -> Any:
        """The answer to `event`. Raises FunctionError. `context` is ignored: the function's own process makes one."""
        return json.loads(self.invoke(json.dumps(event).encode()))

    def invoke(self, payload: bytes) -> bytes:
        """The same with JSON. Waits while all environments are busy, where Lambda would throttle and callers retry."""
        with self._room, self._environment() as environment:
            return environment.invoke(payload, seconds=self.timeout_seconds)

    @property
    def environments(self) -> list[Environment]:
        """The environments that exist now."""
        with self._lock:
            return [*self._idle, *self._busy]

    def retire(self) -> None:
        """Use none of the environments again, as after a change of the function's code or settings."""
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
        for environment in idle:
            environment.close()

    def close(self) -> None:
        """Kill all environments, whatever they are doing."""
        for environment in self.environments:
            environment.close()

    @contextlib.contextmanager
    def _environment(self) -> Iterator[Environment]:
        with self._lock:
            generation = self._generation
            environment = next((one for one in self._idle if one.alive), None)
            self._idle = [one for one in self._idle if one.alive and one is not environment]
            if environment is None:
                environment = self._start()
                self.started += 1
            self._busy.add(environment)
        try:
            yield environment
        finally:
            with self._lock:
                self._busy.discard(environment)
                again = environment.alive and generation == self._generation
                if again:
                    self._idle.append(environment)
            if not again:
                environment.close()
