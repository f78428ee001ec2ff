"""A clock that a test moves: the store's Lua reads the time from a key instead of from the server.

A cluster would not allow reading a key that was not declared, so these tests run on a single server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.store.redis_store import RedisStore

KEY = "sim:now"
# An arbitrary moment, in milliseconds since 1970: 13 digits, as real times have.
START_MS = 1_700_000_000_000
# The key expires if a test dies before it closes its clock.
_KEEP_SECONDS = 3600


def now_lua(key: str = KEY) -> str:
    """Return the text that replaces `lua/lib/now.lua`. A clock that was not set is an error, not the year 1970."""
    return f"""
local function now_ms()
  return tonumber(redis.call('GET', '{key}') or error('no virtual clock at {key}'))
end
"""


class VirtualClock:
    """Time in milliseconds, in a key. It stands still until a test moves it."""

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
        """The overrides for RedisStore(overrides=...)."""
        return {"lib/now": now_lua(self.key)}

    @property
    def now(self) -> int:
        return self._now

    def set(self, ms: int) -> None:
        """Set the time to any moment, even an earlier one, as a failover can do."""
        self._now = ms
        self._client.set(self.key, ms, ex=_KEEP_SECONDS)

    def advance(self, ms: int) -> int:
        """Advance the time by so many milliseconds. Returns the new time."""
        self.set(self._now + ms)
        return self._now

    def close(self) -> None:
        self._client.delete(self.key)


class ClockedStore(RedisStore):
    """The real store, with the real Lua except for its clock. Times to live still run by the server's own clock."""

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
