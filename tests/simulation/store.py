"""The real store on a real Valkey, used by a process whose calls take time and go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.core.records import Pressure
from chalicelib.errors import Unavailable
from chalicelib.store.redis_store import RedisStore
from tests.simulation.calls import Calls
from tests.simulation.faults import Faults
from tests.simulation.monitor import Monitor

TRANSITIONS = frozenset({"create", "take_due", "claim", "extend", "complete", "settle", "fail", "lose", "end"})
TRANSITIONS |= {"pause", "resume", "rerun", "clear_outbox"}


class SimStore:
    """See store/protocol.py. The monitor sees every transition that happened, even if its caller has died."""

    def __init__(
        self,
        store: RedisStore,
        calls: Calls,
        faults: Faults,
        monitor: Monitor,
        owner: object,
        turn: Callable[[], object],
    ) -> None:
        self._store, self._calls, self._faults, self._monitor = store, calls, faults, monitor
        self._owner, self._turn = owner, turn

    def pressure(self, *, late_ms: int) -> Pressure:
        """Take no time of the world: load is no state, and reading it must not change the run of a seed."""
        return Pressure(None, 0)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def once(*args: Any, **named: Any) -> Any:
            self._turn()
            answer = method(*args, **named)
            if name in TRANSITIONS:
                self._monitor.saw(name, args, named, answer, self._owner)
            return answer

        def both(*args: Any, **named: Any) -> Any:
            if self._faults.hit("store unreachable"):
                raise Unavailable("simulated: the store cannot be reached")
            answer = once(*args, **named)
            if self._faults.hit("store answer lost"):
                raise Unavailable("simulated: the answer was lost")
            if self._faults.hit("store call repeated"):
                answer = once(*args, **named)
            return answer

        def call(*args: Any, **named: Any) -> Any:
            return self._calls.run(lambda: both(*args, **named))

        setattr(self, name, call)
        return call
