"""Estimates about a node before it runs: which results it needs, how long it may take, and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.core.weight import INSTANT_WEIGHT, Weight, of_slow, waiting_size

if TYPE_CHECKING:
    from chalicelib.core.handler import Handler
    from chalicelib.core.plan import Plan

# A handler waits if its calls use less than this share of their time on the processor.
WAITING_SHARE = 0.1
# The weight of the newest call in the moving average.
_NEWEST = 0.2


class Requirements:
    """The requirements of a node, which follow from its definition and its handler alone."""

    def __init__(self, handlers: Mapping[str, Handler], *, default_timeout: float) -> None:
        self._handlers = handlers
        self._default_timeout = default_timeout

    def needs(self, plan: Plan, node: int) -> tuple[int, ...]:
        """The nodes whose results the node needs: those in its templates, and with a context its dependencies."""
        spec = plan.nodes[node]
        handler = self._handlers.get(spec.handler)
        named = {plan.index[root] for root in spec.references if root in plan.index}
        if handler is not None and handler.wants_context:
            named.update(spec.dependencies)
        return tuple(sorted(named))

    def instant(self, plan: Plan, node: int) -> bool:
        """Whether the node takes no time. This includes one with an unknown handler, which fails at once."""
        handler = self._handlers.get(plan.nodes[node].handler)
        return handler is None or handler.instant

    def in_place(self, plan: Plan, node: int, *, inputs: int, large: int) -> bool:
        """Whether a process that answers a request may run the node: it is instant, known, needs no secret, and its
        result has less than `large` bytes if it passes on its config and what it reads, which has `inputs` bytes."""
        spec = plan.nodes[node]
        handler = self._handlers.get(spec.handler)
        if handler is None or not handler.instant or spec.secrets:
            return False
        length, templates = spec.extent
        return length + (templates + 1) * inputs < large

    def longest(self, plan: Plan, node: int) -> float:
        """The most seconds that the node may take."""
        return 0.0 if self.instant(plan, node) else plan.nodes[node].timeout_seconds or self._default_timeout


class Sizing:
    """Moving averages of the handlers' durations in this process. A lost update between threads does no harm.

    `waiting_nodes`: how many nodes that wait fit into one invocation.
    """

    def __init__(self, handlers: Mapping[str, Handler], *, waiting_nodes: int) -> None:
        self._handlers = handlers
        self._waiting = waiting_size(waiting_nodes)
        self._seconds: dict[str, float] = {}
        self._processor: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """Update the average of a handler by a call that took `seconds`."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + _NEWEST * (seconds - before)

    def computed(self, name: str, seconds: float) -> None:
        """Count the time that a call of the handler spent on the processor."""
        before = self._processor.get(name, seconds)
        self._processor[name] = before + _NEWEST * (seconds - before)

    def weight(self, name: str) -> Weight:
        """The weight of a node of the handler. One that was never measured may be slow, so its node is alone."""
        handler, seconds = self._handlers.get(name), self._seconds.get(name)
        if handler is None or handler.instant:
            return INSTANT_WEIGHT
        waits = handler.waits
        if waits is None and seconds is not None:
            waits = self._processor.get(name, seconds) < seconds * WAITING_SHARE
        return of_slow(seconds, waits=bool(waits), waiting=self._waiting)

    def size(self, name: str) -> int:
        """What a node of the handler takes of the room in a message."""
        return self.weight(name).size
