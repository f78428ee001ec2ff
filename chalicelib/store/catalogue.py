"""Lists of workflows and instances, the newest first: merged from all shards, each of which keeps its own."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from chalicelib import ids
from chalicelib.core.records import Listed, StoredWorkflow
from chalicelib.states import InstanceStatus
from chalicelib.store import keys, replies
from chalicelib.store.connection import unavailable

# Entries of the list begin with these letters (lua/lib/instance.lua).
LETTERS = {status: status.letter for status in InstanceStatus}


class RedisCatalogue:
    """See store/protocol.py. A page costs a pipeline over all shards and one over its entries, whatever is stored."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def instances(self, *, statuses: Sequence[str], before: str | None, limit: int) -> list[Listed]:
        letters = [InstanceStatus(status).letter for status in statuses]
        names = self._newest(keys.listing, letters, before or f"{ids.INSTANCE}.", limit)
        with unavailable(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hmget(keys.meta(name), replies.LISTED)
            made = [replies.listed(name, values) for name, values in zip(names, pipe.execute(), strict=True)]
            for name, one in zip(names, made, strict=True):
                if one is None:  # its retention is over, and no sweep has seen that yet
                    pipe.zrem(keys.listing(ids.shard(name)), *(letter + name for letter in LETTERS.values()))
            pipe.execute()
        # While an older release is at work, too, the list may be behind.
        return [one for one in made if one is not None and one.status in statuses]

    def counts(self) -> dict[str, int]:
        """Two binary searches for each status and shard."""
        with unavailable(), self._client.pipeline(transaction=False) as pipe:
            for letter in LETTERS.values():
                for shard in ids.all_shards():
                    # Calls of webhooks are instances in the list, too. They are not counted: no user started them.
                    pipe.zlexcount(keys.listing(shard), f"[{letter}{ids.INSTANCE}-", f"({letter}{ids.INSTANCE}.")
            found = pipe.execute()
        return {status.value: sum(found[i * ids.SHARDS : (i + 1) * ids.SHARDS]) for i, status in enumerate(LETTERS)}

    def workflows(self, *, before: str | None, limit: int) -> list[StoredWorkflow]:
        names = self._newest(keys.workflows, [""], before or f"{ids.EXECUTION}.", limit)
        with unavailable(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hmget(keys.workflow(name), "name", "document", "created_at", "latest")
            found = pipe.execute()
            for name, (title, *_) in zip(names, found, strict=True):
                if title is None:  # its retention is over
                    pipe.zrem(keys.workflows(ids.shard(name)), name)
            pipe.execute()
        return [
            StoredWorkflow(name, title.decode(), document, int(created_at), latest.decode() if latest else None)
            for name, (title, document, created_at, latest) in zip(names, found, strict=True)
            if title is not None
        ]

    def _newest(self, key: Any, letters: Sequence[str], before: str, limit: int) -> list[str]:
        """The ids below `before`, largest first, of every shard and letter."""
        with unavailable(), self._client.pipeline(transaction=False) as pipe:
            for shard in ids.all_shards():
                for letter in letters:
                    pipe.zrange(
                        key(shard), f"({letter}{before}", f"[{letter}", bylex=True, desc=True, offset=0, num=limit
                    )
            found = pipe.execute()
        length = len(letters[0]) if letters else 0
        names = (member.decode()[length:] for members in found for member in members)
        return heapq.nlargest(limit, names)
