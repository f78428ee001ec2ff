"""The faults, and when they happen. Each kind draws from a stream of its own, so leaving one out changes no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from random import Random

# The kinds, each with the highest rate per opportunity that a seed may give it.
KINDS: Mapping[str, float] = {
    "crash before a call": 0.03,  # of a call to store, queue or scheduler
    "crash after a call": 0.03,
    "crash in a handler": 0.05,
    "stop for longer than a lease": 0.02,  # SIGSTOP, a long garbage collection, a frozen machine
    "slow call": 0.05,  # up to the length of a lease
    "store unreachable": 0.05,
    "store answer lost": 0.05,  # the call was executed, and the caller does not know
    "store call repeated": 0.05,  # the client lost the answer and repeated the call by itself
    "send refused": 0.1,  # the whole request
    "send in part": 0.1,
    "send unsaid": 0.1,  # it was sent, but the answer reports a failure
    "message lost": 0.05,
    "message doubled": 0.1,
    "delete lost": 0.1,
    "invocation refused": 0.1,
    "invocation lost": 0.1,
    "invocation doubled": 0.1,
    "sweep skipped": 0.2,
    "clock jump": 0.01,
    "failover": 0.004,  # the store comes back without its last second
}


class Faults:
    """Decides at each opportunity whether it fails. `without` names kinds, `skip` single faults ("message lost#3")."""

    def __init__(self, seed: int, *, without: Collection[str] = (), skip: Collection[str] = ()) -> None:
        swarm = Random(f"{seed}/rates")
        # Swarm testing (Groce et al., 2012): a run with many faults of few kinds finds what a run with all kinds hides.
        share = swarm.choice([0.0, 0.1, 0.3, 0.6])
        self._rates: dict[str, float] = {}
        for kind, highest in KINDS.items():
            rate = highest * swarm.choice([0.3, 1.0, 3.0])
            if swarm.random() < share and kind not in without:
                self._rates[kind] = rate
        self._streams = {kind: Random(f"{seed}/{kind}") for kind in self._rates}
        self._skip = frozenset(skip)
        self._opportunities: Counter[str] = Counter()
        self.stopped = False
        self.happened: list[str] = []
        self.trace: Callable[[str], None] | None = None

    @property
    def kinds(self) -> list[str]:
        return sorted(self._rates)

    def count(self, kind: str) -> int:
        return sum(1 for name in self.happened if name.startswith(kind + "#"))

    def hit(self, kind: str) -> bool:
        rate = self._rates.get(kind)
        if rate is None or self.stopped:
            return False
        self._opportunities[kind] += 1
        if self._streams[kind].random() >= rate:
            return False
        name = f"{kind}#{self._opportunities[kind]}"
        if name in self._skip:
            return False
        self.happened.append(name)
        if self.trace:
            self.trace(f"FAULT {name}")
        return True

    def draw(self, kind: str) -> float:
        """Draw how severe it is, in [0, 1)."""
        return self._streams[kind].random()
