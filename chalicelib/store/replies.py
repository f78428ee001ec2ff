"""Turns what Redis answers about an instance into the values of core/records.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from chalicelib.core.records import Archived, Event, Listed, Record, Snapshot
from chalicelib.states import NODE_STATES

# The one field of an archive that is not a node (lua/lib/history.lua).
STOWED = b"stowed"
# The fields of an instance's META that a list shows.
LISTED: tuple[str, ...] = (
    "status",
    "execution_id",
    "total",
    "running",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    "created_at",
)
LISTED += ("started_at", "finished_at", "name", "tags", "epoch", "paused")

_EVENT_FIELDS = frozenset(field.name for field in dataclasses.fields(Event))


def pairs(flat: Any) -> dict[bytes, bytes]:
    """A hash, from a flat list of fields and values or as it is: RESP3 has maps."""
    if isinstance(flat, dict):
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))


def snapshot(
    instance_id: str, meta: dict[bytes, bytes], nodes: dict[bytes, bytes], errors: dict[bytes, bytes]
) -> Snapshot:
    return Snapshot(
        instance_id=instance_id,
        execution_id=meta[b"execution_id"].decode(),
        status=meta[b"status"].decode(),
        counts=_counts(meta),
        created_at=int(meta[b"created_at"]),
        started_at=_number(meta.get(b"started_at")),
        finished_at=_number(meta.get(b"finished_at")),
        error=meta.get(b"error"),
        error_node=_number(meta.get(b"error_node")),
        paused=b"paused" in meta,
        epoch=int(meta.get(b"epoch", 1)),
        name=meta.get(b"name", b"").decode(),
        tags=json.loads(meta.get(b"tags", b"{}")),
        forgotten=int(meta.get(b"forgotten", 0)),
        calls=int(meta.get(b"calls", 0)),
        messages=int(meta.get(b"messages", 0)),
        records={int(node): record(raw) for node, raw in nodes.items() if node != b"-1"},
        errors={int(node): raw for node, raw in errors.items()},
    )


def listed(instance_id: str, values: list[bytes | None]) -> Listed | None:
    """The instance with these values of LISTED, or None if it is gone."""
    meta = {name.encode(): value for name, value in zip(LISTED, values, strict=True) if value is not None}
    if b"status" not in meta:
        return None
    return Listed(
        instance_id=instance_id,
        execution_id=meta[b"execution_id"].decode(),
        status=meta[b"status"].decode(),
        name=meta.get(b"name", b"").decode(),
        tags=json.loads(meta.get(b"tags", b"{}")),
        counts=_counts(meta),
        created_at=int(meta[b"created_at"]),
        started_at=_number(meta.get(b"started_at")),
        finished_at=_number(meta.get(b"finished_at")),
        epoch=int(meta.get(b"epoch", 1)),
        paused=b"paused" in meta,
    )


def record(raw: bytes) -> Record:
    letter, attempt, failures, lost, sends, cursor, queued, started, finished, owner = raw.decode().split(":", 9)
    numbers = (int(attempt), int(failures), int(lost), int(sends), int(cursor))
    return Record(NODE_STATES[letter], *numbers, _time(queued), _time(started), _time(finished), owner)


def _time(text: str) -> int | None:
    return int(text) if text else None


def event(raw: bytes) -> Event:
    """An entry of the history. Fields that a newer release added to it are ignored."""
    # Earlier releases cut reasons within a character: the rest of it must not hide the event.
    entry = json.loads(raw.decode("utf-8", "replace"))
    return Event(**{name: value for name, value in entry.items() if name in _EVENT_FIELDS})


def archived(name: bytes, raw: bytes) -> Archived:
    epoch, node = name.split(b":")
    was, _, result = raw.partition(b"\n")
    return Archived(int(epoch), int(node), record(was), result or None)


def _counts(meta: Mapping[bytes, bytes]) -> dict[str, int]:
    counts = {
        name: int(meta[name.encode()]) for name in ("total", "running", "completed", "failed", "skipped", "cancelled")
    }
    counts["pending"] = 2 * counts["total"] - sum(counts.values())
    return counts


def _number(raw: bytes | None) -> int | None:
    return int(raw) if raw else None
