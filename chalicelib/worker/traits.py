"""What a worker knows of a node before it runs: what it needs, how long it may take, how it is run."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core.handler import Handler
from chalicelib.core.plan import Plan


class Traits:
    """Out of the definition and the handlers alone."""

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
        """Whether it is over at once: also one that nobody can run."""
        handler = self._handlers.get(plan.nodes[node].handler)
        return handler is None or handler.instant

    def longest(self, plan: Plan, node: int) -> float:
        """How long it may take, in seconds."""
        return 0.0 if self.instant(plan, node) else plan.nodes[node].timeout_seconds or self._default_timeout
