"""The invariants that one snapshot of an instance can show (docs/invariants.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.store import keys

_PICTURE = """
local left = {}
for i = 1, 9 do left[i] = redis.call('PTTL', KEYS[i]) end
local due = redis.call('ZRANGE', KEYS[6], 0, -1, 'WITHSCORES')
local listed = {}
for _, letter in ipairs({ 'P', 'R', 'C', 'F', 'X' }) do
  if redis.call('ZSCORE', KEYS[11], letter .. ARGV[1]) then listed[#listed + 1] = letter end
end
return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), due,
  redis.call('ZSCORE', KEYS[10], ARGV[1]), redis.call('HGETALL', KEYS[4]), left, listed }
"""
TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Picture:
    """An instance at one moment. `nodes` has the fields of each record; `due` and `indexed` are in ms since 1970."""

    meta: dict[str, str]
    nodes: dict[str, list[str]]
    due: dict[str, float]
    indexed: float | None
    results: dict[str, bytes]
    ttl: tuple[int, ...]
    listed: tuple[str, ...]

    @property
    def terminal(self) -> bool:
        return self.meta["status"] in TERMINAL

    @property
    def cut(self) -> bool:
        """Whether it ended before its nodes did: records of nodes that were live stay as they were."""
        return int(self.meta["cancelled"]) > 0


def take_picture(client: Any, instance_id: str) -> Picture | None:
    """Read an instance, or None if there is no such instance."""
    names = keys.instance(instance_id)
    meta, nodes, due, indexed, results, ttl, listed = client.eval(_PICTURE, len(names), *names, instance_id)
    if not meta:
        return None
    return Picture(
        {k.decode(): v.decode(errors="replace") for k, v in zip(meta[::2], meta[1::2], strict=True)},
        {k.decode(): v.decode().split(":", 9) for k, v in zip(nodes[::2], nodes[1::2], strict=True)},
        {k.decode(): float(v) for k, v in zip(due[::2], due[1::2], strict=True)},
        None if indexed is None else float(indexed),
        {k.decode(): v for k, v in zip(results[::2], results[1::2], strict=True)},
        tuple(ttl),
        tuple(letter.decode() for letter in listed),
    )


def check_picture(picture: Picture, *, places: bool = True) -> None:
    """Check S4 and S5. `places` includes list and index; an older release has no list."""
    meta, nodes = picture.meta, picture.nodes
    counted = {letter: sum(1 for record in nodes.values() if record[0] == letter) for letter in "QRCFIS"}
    if "-1" in nodes:
        counted["C"] -= 1
    assert int(meta["running"]) == (0 if picture.cut else counted["R"]), (meta, nodes)
    assert int(meta["completed"]) == counted["C"], (meta, nodes)
    assert int(meta["failed"]) == counted["F"] + counted["I"], (meta, nodes)
    assert int(meta.get("ignored", 0)) == counted["I"], (meta, nodes)
    assert int(meta["skipped"]) == counted["S"], (meta, nodes)
    ended = counted["C"] + counted["F"] + counted["I"] + counted["S"]
    assert picture.terminal == (picture.cut or ended == int(meta["total"])), (meta, nodes)
    assert int(meta["cancelled"]) in (0, int(meta["total"]) - ended), (meta, nodes)
    assert not places or picture.listed == (meta["status"][0] if meta["status"] != "CANCELLED" else "X",), picture
    # A cursor may stay where it was if the last node of its list was skipped because of another failed node.
    owed = {node for node, record in nodes.items() if record[0] in "QR" or int(record[5]) >= 0}
    owed |= {"-2"} if "timeout_ms" in meta else set()
    assert set(picture.due) == (set() if picture.terminal else owed), picture
    if picture.terminal:
        if places and "owes" not in meta:
            assert picture.indexed == int(meta["finished_at"]) + int(meta["retention_ms"]) + 1000, picture
        assert all(left > 0 or left == -2 for left in picture.ttl), picture  # -2: no such key
    else:
        assert picture.indexed == min(picture.due.values()), picture


def check_invariants(client: Any, instance_id: str, *, places: bool = True) -> str:
    """Check S4 and S5 on one atomic snapshot. Returns the instance's status."""
    picture = take_picture(client, instance_id)
    assert picture is not None, f"there is no instance {instance_id}"
    check_picture(picture, places=places)
    return picture.meta["status"]
