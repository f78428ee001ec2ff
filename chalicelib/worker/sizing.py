"""Estimates about a node before it runs: which results it needs, how long it may take, how many fit into a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.core.handler import Handler
    from chalicelib.core.plan import Plan

# The total weight of the nodes of a message, or of a hop.
ROOM = 100
INSTANT, SHORT = 1, 10
# A handler is short if its calls take less than this on average: ten of them may run one after another.
SHORT_SECONDS = 0.005
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

    def longest(self, plan: Plan, node: int) -> float:
        """The most seconds that the node may take."""
        return 0.0 if self.instant(plan, node) else plan.nodes[node].timeout_seconds or self._default_timeout


class Sizing:
    """Moving averages of the handlers' durations in this process. A lost update between threads does no harm."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._seconds: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """Update the average of a handler by a call that took `seconds`."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + _NEWEST * (seconds - before)

    def weight(self, name: str) -> int:
        """The weight of a node, from 1 to ROOM. A handler that was never measured may be slow, so its node is alone."""
        handler = self._handlers.get(name)
        return weight(handler is None or handler.instant, self._seconds.get(name))


def weight(instant: bool, seconds: float | None) -> int:
    """The weight of a node by the average of its handler, which is None if that was never measured."""
    if instant:
        return INSTANT
    return SHORT if seconds is not None and seconds < SHORT_SECONDS else ROOM
