"""What is read of an instance. Nothing here changes it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from chalicelib.core.records import Archived, Event, Snapshot
from chalicelib.store import keys, replies
from chalicelib.store.connection import BLOCK_SECONDS, check, unavailable
from chalicelib.store.server import RedisServer

# ElastiCache Serverless takes 3,999 arguments a command.
MOST_ARGUMENTS = 2000


class InstanceReads(RedisServer):
    """A part of RedisStore."""

    def execution_of(self, instance_id: str) -> str | None:
        with unavailable():
            value = self._client.hget(keys.meta(instance_id), "execution_id")
        return value.decode() if value else None

    def status(self, instance_id: str) -> str | None:
        with unavailable():
            value, schema = self._client.hmget(keys.meta(instance_id), "status", "schema")
        check(instance_id, schema)
        return value.decode() if value else None

    def snapshot(self, instance_id: str, *, whole: bool = True) -> Snapshot | None:
        """Without `whole`, no node but the one that failed the instance: the same work whatever its size."""
        meta, nodes, errors = (replies.pairs(flat) for flat in self._run("read", instance_id, whole=whole))
        return replies.snapshot(instance_id, meta, nodes, errors) if meta else None

    def results(self, instance_id: str, nodes: Sequence[int] | None = None) -> dict[int, bytes]:
        """The committed results of these nodes by index; of all nodes, if none are given."""
        key = keys.results(instance_id)
        with unavailable():
            if nodes is None:
                return {int(node): value for node, value in self._client.hgetall(key).items()}
            slices = [list(nodes[start : start + MOST_ARGUMENTS]) for start in range(0, len(nodes), MOST_ARGUMENTS)]
            values = [value for part in slices for value in self._client.hmget(key, part)]
        return {node: value for node, value in zip(nodes, values, strict=True) if value is not None}

    def history(self, instance_id: str) -> list[Event]:
        """The events that the records do not show, the oldest first."""
        with unavailable():
            return [replies.event(raw) for raw in self._client.lrange(keys.history(instance_id), 0, -1)]

    def archive(self, instance_id: str) -> list[Archived]:
        """The nodes as they were before they were run again."""
        with unavailable():
            kept = self._client.hgetall(keys.archive(instance_id))
        return [replies.archived(name, raw) for name, raw in kept.items() if name != replies.STOWED]

    def wait_terminal(self, instance_id: str, seconds: float) -> None:
        """Return as soon as the instance is terminal, or after `seconds`."""
        key, end = keys.done(instance_id), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            # Rotating the one entry of the list leaves it there for other waiters.
            with unavailable():
                # Redis counts milliseconds; before 7.0 it cut what is less to 0, which means for ever.
                if self._client.blmove(key, key, max(0.001, min(left, BLOCK_SECONDS))) is not None:
                    return
