"""Decides whether new work is admitted: while queue, store or sweep are behind, more of it makes everything later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How loaded the service is. None means that a figure is not known, which refuses nothing."""

    backlog: int | None = None
    memory: float | None = None
    late: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The load above which new work is refused; 0 turns a ceiling off. An instance is late when `late_ms` overdue."""

    backlog: int
    memory: float
    late: int
    late_ms: int


def full(load: Load, ceilings: Ceilings) -> str | None:
    """Why nothing more can be stored, or None."""
    if ceilings.memory and load.memory is not None and load.memory >= ceilings.memory:
        return f"the store's memory is {load.memory:.0%} full, and new work is let in below {ceilings.memory:.0%}"
    return None


def behind(load: Load, ceilings: Ceilings) -> str | None:
    """Why no new instance can be started, or None. Running instances go on in any case."""
    if ceilings.backlog and load.backlog is not None and load.backlog > ceilings.backlog:
        return f"{load.backlog:,} messages wait in the queue, and new instances start up to {ceilings.backlog:,}"
    if ceilings.late and load.late is not None and load.late > ceilings.late:
        seconds = ceilings.late_ms / 1000
        return f"{load.late:,} instances are more than {seconds:g} s overdue, and the sweep has to catch up first"
    return full(load, ceilings)
