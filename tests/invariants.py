"""The invariants that one picture of an instance can show (DESIGN section 6)."""

from __future__ import annotations

from typing import Any

from chalicelib.store import keys

_PICTURE = """
return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('ZRANGE', KEYS[6], 0, -1),
  redis.call('ZSCORE', KEYS[8], ARGV[1]), redis.call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES') }
"""


def check_invariants(client: Any, instance_id: str) -> str:
    """S4 and S5 of DESIGN section 6, on one atomic picture. Returns the instance's status."""
    names = keys.instance(instance_id)
    flat_meta, flat_nodes, due, indexed, first = client.eval(_PICTURE, len(names), *names, instance_id)
    meta = {k.decode(): v.decode() for k, v in zip(flat_meta[::2], flat_meta[1::2], strict=True)}
    nodes = {k.decode(): v.decode().split(":") for k, v in zip(flat_nodes[::2], flat_nodes[1::2], strict=True)}
    counted = {letter: sum(1 for record in nodes.values() if record[0] == letter) for letter in "QRCFS"}
    if "-1" in nodes:
        counted["C"] -= 1
    aborted = "error" in meta  # it leaves the records of what was live as they were
    assert int(meta["running"]) == (0 if aborted else counted["R"]), (meta, nodes)
    assert int(meta["completed"]) == counted["C"]
    assert int(meta["failed"]) == counted["F"]
    assert int(meta["skipped"]) == counted["S"]
    terminal = meta["status"] in ("COMPLETED", "FAILED", "CANCELLED")
    ended = counted["C"] + counted["F"] + counted["S"]
    assert terminal == (aborted or ended == int(meta["total"])), (meta, nodes)
    assert ended + int(meta["cancelled"]) <= int(meta["total"]), (meta, nodes)
    # A cursor may stand where it was when the last of a list was skipped on behalf of another node.
    owed = {node for node, record in nodes.items() if record[0] in "QR" or int(record[5]) >= 0}
    assert {member.decode() for member in due} == (set() if terminal else owed), (meta, nodes)
    if terminal:
        assert indexed is None
        assert all(client.pttl(name) > 0 for name in names[:-1] if client.exists(name))
    else:
        assert float(indexed) == float(first[1])
    return meta["status"]
