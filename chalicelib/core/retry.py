"""Decides when a failed node is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A node's retry policy, in seconds."""

    max_attempts: int = 1
    initial_backoff_seconds: float = 1.0
    backoff_multiplier: float = 2.0
    max_backoff_seconds: float = 300.0

    def delay_ms(self, failures: int, uniform: Callable[[float, float], float]) -> int | None:
        """How long to wait after the `failures`-th failure (from 1), or None when no attempt is left.

        Exponential backoff with full jitter: uniform(0, min(max, initial * multiplier ** (failures - 1))), after
        Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        if failures >= self.max_attempts:
            return None
        try:
            ceiling = self.initial_backoff_seconds * self.backoff_multiplier ** (failures - 1)
        except OverflowError:
            ceiling = self.max_backoff_seconds
        return round(1000 * uniform(0, min(self.max_backoff_seconds, ceiling)))
