"""Workflows, instances and nodes as read from the store. Times are milliseconds since 1970 by its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.states import NodeState


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    execution_id: str
    name: str
    document: bytes
    created_at: int
    latest: str | None


@dataclass(slots=True)  # not frozen: that makes 10,000 of them take three times as long
class Record:
    """A node as the store has it; see lua/lib/record.lua."""

    state: NodeState
    attempt: int
    failures: int
    lost: int
    sends: int
    cursor: int
    queued_at: int | None
    started_at: int | None
    finished_at: int | None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of an instance's history, times in ms. `node` is None if it is about the instance."""

    at: int
    event: str
    node: int | None = None
    attempt: int | None = None
    owner: str | None = None
    queued: int | None = None
    started: int | None = None
    reason: str | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """A node as it was in an earlier epoch."""

    epoch: int
    node: int
    record: Record
    result: bytes | None


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance as a list shows it."""

    instance_id: str
    execution_id: str
    status: str
    name: str
    tags: Mapping[str, str]
    counts: dict[str, int]
    created_at: int
    started_at: int | None
    finished_at: int | None
    epoch: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent picture of an instance."""

    instance_id: str
    execution_id: str
    status: str
    counts: dict[str, int]
    created_at: int
    started_at: int | None
    finished_at: int | None
    error: bytes | None
    error_node: int | None
    paused: bool = False
    epoch: int = 1
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    forgotten: int = 0
    calls: int = 0
    messages: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    errors: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pressure:
    """How loaded the store is: the used share of its memory (None without a limit), and how many instances are late."""

    memory: float | None
    late: int
