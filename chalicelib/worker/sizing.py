"""What a worker knows of a node before it runs: what it needs, how long it may take, and how many fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.core.handler import Handler
    from chalicelib.core.plan import Plan

# A message, or a hop, holds nodes that weigh this much together.
ROOM = 100
INSTANT, SHORT = 1, 10
# A handler whose calls take less than this on average is short: ten of them behind one another are no wait.
SHORT_SECONDS = 0.005
# The share of the newest call in the average.
_WEIGHT = 0.2


class Requirements:
    """What follows from the definition and the handlers alone."""

    def __init__(self, handlers: Mapping[str, Handler], *, default_timeout: float) -> None:
        self._handlers = handlers
        self._default_timeout = default_timeout

    def needs(self, plan: Plan, node: int) -> tuple[int, ...]:
        """The nodes whose results a node needs: those its templates name, and, for a context, its dependencies."""
        spec = plan.nodes[node]
        handler = self._handlers.get(spec.handler)
        named = {plan.index[root] for root in spec.references if root in plan.index}
        if handler is not None and handler.wants_context:
            named.update(spec.dependencies)
        return tuple(sorted(named))

    def instant(self, plan: Plan, node: int) -> bool:
        """Whether the node is over at once. One whose handler is unknown is, too: it fails."""
        handler = self._handlers.get(plan.nodes[node].handler)
        return handler is None or handler.instant

    def longest(self, plan: Plan, node: int) -> float:
        """How long the node may take, in seconds."""
        return 0.0 if self.instant(plan, node) else plan.nodes[node].timeout_seconds or self._default_timeout


class Sizing:
    """Moving averages of how long handlers take in this process. Its threads share them: a lost update does no harm."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._seconds: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """Count a call of the handler that took this long."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + _WEIGHT * (seconds - before)

    def weight(self, name: str) -> int:
        """The weight of one node, from 1 to ROOM. A handler that was never measured may be slow: its node is alone."""
        handler = self._handlers.get(name)
        return weight(handler is None or handler.instant, self._seconds.get(name))


def weight(instant: bool, seconds: float | None) -> int:
    """The weight of a node by the average of its handler, which is None where that was never measured."""
    if instant:
        return INSTANT
    return SHORT if seconds is not None and seconds < SHORT_SECONDS else ROOM
