"""The Redis or Valkey that the store is on: its clock, its scripts, and what is read over all shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib import ids
from chalicelib.core.records import Pressure
from chalicelib.core.transitions import TRANSITIONS
from chalicelib.store import keys
from chalicelib.store.connection import unavailable
from chalicelib.store.scripts import Scripts


class RedisServer:
    """A single server or a cluster. The parts of the store share it by inheritance, so that each call is one trip."""

    def __init__(self, client: Any, overrides: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._scripts = Scripts(client, overrides)

    def overdue(self, *, limit: int) -> list[str]:
        """Instances that have something due, the longest overdue of each shard first; `limit` per shard."""
        with unavailable():
            now = self._now()
            with self._client.pipeline(transaction=False) as pipe:
                for shard in ids.all_shards():
                    pipe.zrange(keys.index(shard), "-inf", now, byscore=True, offset=0, num=limit)
                return [member.decode() for members in pipe.execute() for member in members]

    def pressure(self, *, late_ms: int) -> Pressure:
        """How full the fullest node is, and how many instances were due `late_ms` ago and still wait for the sweep."""
        shares = [
            int(info["used_memory"]) / int(info["maxmemory"])
            for info in self._info("memory")
            if int(info.get("maxmemory", 0)) > 0
        ]
        with unavailable():
            before = self._now() - late_ms
            with self._client.pipeline(transaction=False) as pipe:
                for shard in ids.all_shards():
                    pipe.zcount(keys.index(shard), "-inf", before)
                late = sum(pipe.execute())
        return Pressure(max(shares, default=None), late)

    def ping(self) -> str:
        """The server's name and version."""
        first = self._info("server")[0]
        if "valkey_version" in first:
            return f"valkey {first['valkey_version']}"
        return f"redis {first['redis_version']}"

    def _info(self, section: str) -> list[dict[str, Any]]:
        """The section of every node: the client of a cluster answers by node."""
        with unavailable():
            info = self._client.info(section)
        return list(info.values()) if all(isinstance(value, dict) for value in info.values()) else [info]

    def _now(self) -> int:
        answer = self._client.time()
        seconds, micros = next(iter(answer.values())) if isinstance(answer, dict) else answer
        return int(seconds) * 1000 + int(micros) // 1000

    def _run(self, name: str, instance_id: str, rest: Sequence[Any] = (), /, **named: Any) -> Any:
        """Run a transition of the instance with its named arguments, and with the rest that follows them."""
        return self._call(name, keys.instance(instance_id), instance_id, rest, **named)

    def _call(self, name: str, keys: Sequence[str], instance_id: str, rest: Sequence[Any] = (), /, **named: Any) -> Any:
        arguments = TRANSITIONS[name].encode(instance_id, named, rest)
        with unavailable():
            return self._scripts.run(name, keys, arguments)
