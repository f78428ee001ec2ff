"""An instance that seems stuck: what each of its live nodes waits for, and until when, read from its keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.settings import Settings
from chalicelib.states import NODE_STATES, InstanceStatus, NodeState
from chalicelib.store import keys
from chalicelib.store.connection import connect

WAITS_FOR: Mapping[NodeState | None, str] = {
    NodeState.READY: "a worker that takes its message; it is sent again when it is due",
    NodeState.RUNNING: "its worker, which extends the lease; the next attempt is sent when it is due",
    NodeState.COMPLETED: "the sweep, which deals with the nodes behind it when it is due",
    NodeState.FAILED: "the sweep, which deals with the nodes behind it when it is due",
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A live node. `due_ms`: the time until it is due; negative if it is overdue."""

    id: str
    record: str
    due_ms: int

    @property
    def state(self) -> NodeState | None:
        """None for a letter that this release does not know."""
        return NODE_STATES.get(self.record[0])


@dataclass(frozen=True, kw_only=True)
class InstanceFacts:
    """`index_ms`: like `due_ms`, by the instance's entry in its shard's index; None if it has none."""

    instance_id: str
    meta: dict[str, str]
    nodes: tuple[Node, ...]
    index_ms: int | None


def client(settings: Settings) -> Any:
    """A client of the store. It raises what redis-py raises, at its first use."""
    return connect(settings.redis_url, cluster=settings.redis_cluster, login=Application(settings).login)


def gather(settings: Settings, instance_id: str) -> InstanceFacts:
    """Raises LookupError if there is no such instance."""
    meta_key, nodes_key, _, _, _, due_key, *_ = keys.instance(instance_id)
    index_key = keys.index(ids.shard(instance_id))
    with closing(client(settings)) as store:
        meta = {name.decode(): value.decode(errors="replace") for name, value in store.hgetall(meta_key).items()}
        if not meta:
            raise LookupError(f"there is no instance {instance_id}: it never was, or its retention ended")
        answer = store.time()
        seconds, micros = next(iter(answer.values())) if isinstance(answer, dict) else answer
        now = int(seconds) * 1000 + int(micros) // 1000
        due = [(node.decode(), round(score - now)) for node, score in store.zrange(due_key, 0, -1, withscores=True)]
        records = store.hmget(nodes_key, [node for node, _ in due]) if due else []
        document = store.hget(keys.workflow(meta["execution_id"]), "document")
        score = store.zscore(index_key, instance_id)
    names = [node["id"] for node in json.loads(document)["dag"]["nodes"]] if document else []
    return InstanceFacts(
        instance_id=instance_id,
        meta=meta,
        nodes=tuple(
            Node(id=_name(names, int(node)), record=(record or b"?").decode(), due_ms=ahead)
            for (node, ahead), record in zip(due, records, strict=True)
        ),
        index_ms=None if score is None else round(score - now),
    )


def _name(names: list[str], node: int) -> str:
    if node < 0:
        return "(the trigger)"
    return names[node] if node < len(names) else f"number {node}"


def as_text(facts: InstanceFacts) -> str:
    """The instance, its place in the index, and a line for each live node, most overdue first."""
    meta = facts.meta
    counts = ", ".join(f"{meta[name]} {name}" for name in ("total", "running", "completed", "failed", "skipped"))
    lines = [f"{facts.instance_id} of {meta['execution_id']}: {meta['status']} ({counts})"]
    live = not InstanceStatus(meta["status"]).terminal
    if facts.index_ms is not None:
        lines.append(f"the sweep looks at it when it is due: {_when(facts.index_ms)}")
    elif live:
        shard = ids.shard(facts.instance_id)
        lines.append(f"NOT in the index {keys.index(shard)}: no sweep finds it; docs/operate.md, Stuck instance")
    for node in facts.nodes[:50]:
        waits = WAITS_FOR.get(node.state, "nothing that this release knows")
        lines.append(f"  {node.id}: {node.record}  due {_when(node.due_ms)}; it waits for {waits}")
    if len(facts.nodes) > 50:
        lines.append(f"  and {len(facts.nodes) - 50} more")
    return "\n".join(lines)


def _when(ahead_ms: int) -> str:
    return f"in {ahead_ms / 1000:.1f} s" if ahead_ms >= 0 else f"{-ahead_ms / 1000:.1f} s ago"
