"""Whether new work is let in: where the queue, the store or the sweep is behind, more of it makes everything later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the service has to carry. None: not known, which holds nobody up."""

    backlog: int | None = None
    memory: float | None = None
    late: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What is carried at most. `late_ms`: how long overdue an instance is that counts as late. 0 turns one off."""

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
    """Why no new instance can be started, or None. Instances that run go on in any case."""
    if ceilings.backlog and load.backlog is not None and load.backlog > ceilings.backlog:
        return f"{load.backlog:,} messages wait in the queue, and new instances start up to {ceilings.backlog:,}"
    if ceilings.late and load.late is not None and load.late > ceilings.late:
        seconds = ceilings.late_ms / 1000
        return f"{load.late:,} instances are more than {seconds:g} s overdue, and the sweep has to catch up first"
    return full(load, ceilings)
