"""What a rehearsal goes by, and what it comes to. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the engine groups work: `room` in a message or a hop, `batch` messages in a request or an invocation.

    `most` nodes are in a commit, `due` is what the scheduler takes at a time. `function_seconds` end an invocation.
    """

    inline: bool
    room: int
    batch: int
    most: int
    due: int
    hop_seconds: float
    function_seconds: float
    lease_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """A call of Redis, one of SQS or Lambda; a message's way to a worker, an invocation's to the scheduler."""

    redis: float
    aws: float
    queue: float
    scheduler: float


@dataclass(frozen=True, slots=True)
class Step:
    """A node as the engine sees it: how long it takes, and may take; what it takes of the room where its handler was
    measured, and where not."""

    seconds: float
    weight: int
    unmeasured: int
    instant: bool
    longest: float


@dataclass(slots=True)
class Tally:
    """What a run takes: `messages` that workers claim, `transitions` that change the instance, `calls` of Redis and the
    `commands` in them, `sends` of up to a batch. `busy`: all invocations together; `at_once`: workers at most.
    """

    messages: int = 0
    transitions: int = 0
    sends: int = 0
    invocations: int = 0
    scheduled: int = 0
    calls: int = 0
    commands: int = 0
    busy: float = 0.0
    at_once: int = 0
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """Of SQS: those that send, and one to receive and one to delete for each invocation of a worker."""
        return self.sends + 2 * self.invocations
