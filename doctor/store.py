"""The store: INFO of every node, and how late the sweep is. A store in a VPC is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.settings import Settings
from chalicelib.store import keys
from chalicelib.store.connection import connect
from doctor.findings import Finding, broken, ok, warning

# The oldest servers that the tests run on.
OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
# The errors with which a server refuses a write.
REFUSALS = ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "CLUSTERDOWN")
RESTART = "restart it with `--maxmemory-policy noeviction --appendonly yes`, or by its parameter group"


@dataclass(frozen=True, kw_only=True)
class StoreFacts:
    """`nodes`: INFO of each, as redis-py parses it. `late_ms`: how late the most overdue instance is; 0 if none is.

    `sweep_seconds`: the sweep's interval. `share`: MAX_MEMORY_SHARE.
    """

    nodes: tuple[Mapping[str, Any], ...]
    live: int
    overdue: int
    late_ms: int
    most_overdue: str
    sweep_seconds: float
    share: float


def gather(settings: Settings, *, sweep_seconds: float) -> StoreFacts:
    """Raises what redis-py raises."""
    login = Application(settings).login
    client = connect(settings.redis_url, cluster=settings.redis_cluster, login=login)
    try:
        info = client.info()
        nodes = tuple(info.values()) if settings.redis_cluster else (info,)
        seconds, micros = next(iter(now.values())) if isinstance(now := client.time(), dict) else now
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        with client.pipeline(transaction=False) as pipe:
            for shard in ids.all_shards():
                pipe.zlexcount(keys.listing(shard), "[P", "(S")  # PENDING and RUNNING
                pipe.zcount(keys.index(shard), "-inf", now_ms)
                pipe.zrange(keys.index(shard), 0, 0, withscores=True)
            answers = pipe.execute()
    finally:
        client.close()
    firsts = [(score, member.decode()) for found in answers[2::3] for member, score in found]
    score, member = min(firsts, default=(now_ms, ""))
    return StoreFacts(
        nodes=nodes,
        live=sum(answers[0::3]),
        overdue=sum(answers[1::3]),
        late_ms=max(0, round(now_ms - score)),
        most_overdue=member,
        sweep_seconds=sweep_seconds,
        share=settings.max_memory_share,
    )


def version(facts: StoreFacts) -> Finding:
    name = "valkey" if "valkey_version" in facts.nodes[0] else "redis"
    found = min(str(node[f"{name}_version"]) for node in facts.nodes)
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST[name]:
        least = ".".join(map(str, OLDEST[name]))
        return broken("store version", f"{name} {found}: nothing older than {least} is tested", "upgrade the server")
    return ok("store version", f"{name} {found}" + (f", {len(facts.nodes)} nodes" if len(facts.nodes) > 1 else ""))


def role(facts: StoreFacts) -> Finding | None:
    replicas = [node for node in facts.nodes if node.get("role") == "slave"]
    if len(replicas) < len(facts.nodes):
        return None
    return broken("store role", "REDIS_URL leads to a replica, which refuses writes", "point REDIS_URL at the primary")


def eviction(facts: StoreFacts) -> Finding:
    policies = {str(node.get("maxmemory_policy", "unknown")) for node in facts.nodes}
    if policies <= {"noeviction"}:
        return ok("eviction", "noeviction: when it is full it refuses writes, and loses nothing")
    says = f"{', '.join(sorted(policies))}: when it is full it throws away workflows and results to make room"
    return warning("eviction", says, RESTART)


def persistence(facts: StoreFacts) -> Finding:
    failed = [name for node in facts.nodes for name in _failed_writes(node)]
    if failed:
        return broken("persistence", f"{', '.join(failed)}: the disk refuses", "df -h, and the server's own log")
    if all(node.get("aof_enabled") for node in facts.nodes):
        return ok("persistence", "append-only file")
    return warning("persistence", "no append-only file: what a restart of the server loses is lost", RESTART)


def _failed_writes(node: Mapping[str, Any]) -> list[str]:
    names = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    return [f"{name} is {node[name]}" for name in names if node.get(name, "ok") != "ok"]


def memory(facts: StoreFacts) -> Finding:
    limited = [node for node in facts.nodes if int(node.get("maxmemory", 0))]
    if not limited:
        used = sum(int(node.get("used_memory", 0)) for node in facts.nodes)
        return ok("store memory", f"{used / 2**20:.0f} MiB used, no maxmemory set")
    share = max(int(node["used_memory"]) / int(node["maxmemory"]) for node in limited)
    says = f"{share:.0%} of maxmemory used"
    do = "docs/operate.md, Redis full: raise maxmemory, or shorten RETENTION_SECONDS"
    if share >= 1:
        return broken("store memory", f"{says}: nothing can be written", do)
    if facts.share and share >= facts.share:
        return broken("store memory", f"{says}: new instances are refused from {facts.share:.0%} on", do)
    return warning("store memory", says, do) if share >= 0.75 else ok("store memory", says)


def refused(facts: StoreFacts) -> Finding:
    counts: dict[str, int] = {}
    for node in facts.nodes:
        for name in REFUSALS:
            count = node.get(f"errorstat_{name}", {}).get("count", 0)
            counts |= {name: counts.get(name, 0) + count} if count else {}
        if evicted := int(node.get("evicted_keys", 0)):
            counts["evicted keys"] = counts.get("evicted keys", 0) + evicted
        if turned_away := int(node.get("rejected_connections", 0)):
            counts["connections turned away"] = counts.get("connections turned away", 0) + turned_away
    if not counts:
        return ok("refused writes", "none since the server started")
    says = ", ".join(f"{name}: {count:,}" for name, count in counts.items()) + " since the server started"
    return warning("refused writes", says, "docs/operate.md, Redis full. `CONFIG RESETSTAT` starts the count anew")


def sweep(facts: StoreFacts) -> Finding:
    """A due instance is handled by the next sweep, so one that is overdue by several intervals is not reached."""
    says = f"{facts.live:,} live instances, {facts.overdue:,} overdue"
    if facts.overdue:
        says += f", {facts.most_overdue} by {facts.late_ms / 1000:.1f} s"
    late = facts.late_ms / 1000 / facts.sweep_seconds
    do = "docs/operate.md, Stuck instance: is the poller (on AWS, the sweep) alive, and what does its log say?"
    if late > 30:
        return broken("sweep", says, do)
    return warning("sweep", says, do) if late > 5 else ok("sweep", says)
