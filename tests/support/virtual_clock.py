"""A clock that a test turns: the store's Lua reads the time from a key instead of from the server.

Reading a key that was not declared would not do on a cluster; these tests run on a single server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.store.redis_store import RedisStore

KEY = "sim:now"
# An arbitrary moment, in milliseconds since 1970: 13 digits, as real times have.
START_MS = 1_700_000_000_000
# The key goes by itself should a test die before it closes its clock.
_KEEP_SECONDS = 3600


def now_lua(key: str = KEY) -> str:
    """The text that takes the place of `lua/lib/now.lua`. A clock that was not set is an error, not the year 1970."""
    return f"""
local function now_ms()
  return tonumber(redis.call('GET', '{key}') or error('no virtual clock at {key}'))
end
"""


class VirtualClock:
    """Time in milliseconds, in a key. It stands still until somebody turns it."""

    def __init__(self, client: Any, *, start_ms: int = START_MS, key: str = KEY) -> None:
        self._client = client
        self.key = key
        self.set(start_ms)

    def __enter__(self) -> VirtualClock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def overrides(self) -> dict[str, str]:
        """For RedisStore(overrides=...)."""
        return {"lib/now": now_lua(self.key)}

    @property
    def now(self) -> int:
        return self._now

    def set(self, ms: int) -> None:
        """To any moment, an earlier one too: a failover can do that."""
        self._now = ms
        self._client.set(self.key, ms, ex=_KEEP_SECONDS)

    def advance(self, ms: int) -> int:
        """By so many milliseconds. Returns the new time."""
        self.set(self._now + ms)
        return self._now

    def close(self) -> None:
        self._client.delete(self.key)


class ClockedStore(RedisStore):
    """The real store, with the real Lua but for its clock. Times to live still run by the server's own clock."""

    def __init__(
        self,
        client: Any,
        clock: VirtualClock,
        *,
        retention_seconds: int = 600,
        workflow_retention_seconds: int = 900,
        idempotency_seconds: int = 300,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            client,
            retention_seconds=retention_seconds,
            workflow_retention_seconds=workflow_retention_seconds,
            idempotency_seconds=idempotency_seconds,
            overrides={**clock.overrides, **(overrides or {})},
        )
        self._clock = clock

    def _now(self) -> int:
        return self._clock.now
