"""Work on its way to a worker: an instance, and the attempts of its nodes that are ready.

Nodes are named by their index in the definition's `nodes`; ids are for people. Durations are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

# The longest time that the queue holds a message back (Amazon SQS, DelaySeconds).
MAX_DELAY_MS = 900_000


@dataclass(frozen=True, slots=True)
class Ref:
    """An instance and the workflow that it runs."""

    instance_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class Ready:
    """An attempt of a node that may start once `delay_ms` have passed.

    `alone`: it lost a lease, so it may be what killed its worker. No other node may run together with it.
    """

    node: int
    attempt: int
    delay_ms: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What the queue carries: an instance and one or more ready nodes."""

    ref: Ref
    nodes: tuple[Ready, ...]
