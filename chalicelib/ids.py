"""Ids of workflows and instances. They are sortable by time and hard to guess, and name their shard.

An id is `ex-` or `in-` (or `wh-`, for an instance that calls the webhook of another), 12 hex digits of milliseconds
since 1970, 16 random ones, and the shard as two hex digits. The shard is the Redis Cluster hash tag of every key of
that workflow or instance, so one Lua call may touch all of them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time

SHARDS = 64
EXECUTION = "ex"
INSTANCE = "in"
DELIVERY = "wh"
_ID = re.compile(r"(?:ex|in|wh)-[0-9a-f]{28}[0-3][0-9a-f]")


def new(kind: str) -> str:
    """A new id. Its time only sorts ids for readers; no decision depends on it."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{kind}-{milliseconds:012x}{secrets.token_hex(8)}{secrets.randbelow(SHARDS):02x}"


def delivery(instance_id: str, epoch: int) -> str:
    """The id of the instance that calls the webhook at the end of this epoch: fixed, and in the same shard."""
    digest = hashlib.sha256(f"{instance_id}/{epoch}".encode()).hexdigest()
    return f"{DELIVERY}-{instance_id[3:15]}{digest[:16]}{shard(instance_id)}"


def milliseconds(id: str) -> int:
    """When the id was made, in milliseconds since 1970."""
    return int(id[3:15], 16)


def shard(id: str) -> str:
    """The two hex digits of the shard."""
    return id[-2:]


def all_shards() -> list[str]:
    return [f"{number:02x}" for number in range(SHARDS)]


def is_valid(id: str, kind: str) -> bool:
    return id.startswith(kind + "-") and _ID.fullmatch(id) is not None
