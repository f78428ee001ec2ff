"""The store on Redis or Valkey, a single server or a cluster. One method per Lua script."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib import ids
from chalicelib.core.calls import (
    NO_TERMS,
    Children,
    Claim,
    Claimed,
    Completion,
    Dispatching,
    Done,
    Due,
    Hop,
    RerunNodes,
    Settled,
    Terms,
    Transitioned,
    Unsettled,
    Wanted,
)
from chalicelib.core.records import Archived, Event, Pressure, Snapshot, StoredWorkflow
from chalicelib.core.transitions import TRANSITIONS, Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.store import keys, replies
from chalicelib.store.connection import BLOCK_SECONDS, check, unavailable
from chalicelib.store.scripts import Scripts

LOST_ERROR = json.dumps(
    {
        "type": "WorkerLost",
        "message": "the worker that ran this attempt stopped without a word (killed, out of memory, or cut off)",
    }
)
# ElastiCache Serverless takes 3,999 arguments a command.
MOST_ARGUMENTS = 2000
LATE_ERROR = json.dumps(
    {"type": "TimedOut", "message": "the instance took longer than the timeout_seconds of its workflow"}
)


class RedisStore:
    """See store/protocol.py. Raises Unavailable where Redis cannot be reached or refuses to write."""

    def __init__(
        self,
        client: Any,
        *,
        retention_seconds: int,
        workflow_retention_seconds: int,
        idempotency_seconds: int,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._scripts = Scripts(client, overrides)
        self._retention_ms = retention_seconds * 1000
        self._workflow_seconds = workflow_retention_seconds
        self._idempotency_seconds = idempotency_seconds

    # workflows

    def put_workflow(self, execution_id: str, *, name: str, document: bytes, schema: int = 1) -> int:
        """Store a definition once; storing it again under the same id changes nothing. Returns created_at.

        Code that does not know `schema` leaves it alone (ARCHITECTURE.md, "Versions").
        """
        key = keys.workflow(execution_id)
        with unavailable():
            now = self._now()
            with self._client.pipeline(transaction=True) as pipe:
                pipe.hsetnx(key, "document", document)
                pipe.hsetnx(key, "name", name)
                pipe.hsetnx(key, "created_at", now)
                pipe.hget(key, "created_at")
                pipe.expire(key, self._workflow_seconds)
                pipe.zadd(keys.workflows(ids.shard(execution_id)), {execution_id: 0})
                if schema > 1:
                    pipe.hsetnx(key, "schema", schema)
                return int(pipe.execute()[3])

    def forget_workflow(self, execution_id: str) -> bool:
        """Delete a definition. Answers whether there was one. Its instances that run end once a process needs it."""
        with unavailable(), self._client.pipeline(transaction=True) as pipe:
            pipe.delete(keys.workflow(execution_id))
            pipe.zrem(keys.workflows(ids.shard(execution_id)), execution_id)
            return bool(pipe.execute()[0])

    def workflow(self, execution_id: str) -> StoredWorkflow | None:
        """The definition, or None. Reading it renews its retention: what is in use stays."""
        key = keys.workflow(execution_id)
        with unavailable(), self._client.pipeline(transaction=True) as pipe:
            pipe.hmget(key, "name", "document", "created_at", "latest", "schema")
            pipe.expire(key, self._workflow_seconds)
            name, document, created_at, latest, schema = pipe.execute()[0]
        if document is None:
            return None
        check(execution_id, schema)
        return StoredWorkflow(
            execution_id, name.decode(), document, int(created_at), latest.decode() if latest else None
        )

    def has_workflow(self, execution_id: str) -> bool:
        """Whether it is there still: one command, since every status asks.

        The key alone does not tell: earlier releases wrote `latest` into what was deleted.
        """
        with unavailable():
            return bool(self._client.hexists(keys.workflow(execution_id), "document"))

    def note_latest(self, execution_id: str, instance_id: str) -> bool:
        """Remember the newest instance of a workflow, for clients that keep only the first id.

        Answers whether the workflow is there still.
        """
        key = (keys.workflow(execution_id),)
        reply = self._call("note_latest", key, instance_id, seconds=self._workflow_seconds)
        return Outcome(reply[0].decode()) is Outcome.OPEN

    def reserve(self, scope: str, key: str, *, fingerprint: str, id: str) -> tuple[str, str]:
        """Bind an Idempotency-Key to (fingerprint, id), unless it is bound already. Returns what it is bound to."""
        name = keys.idempotency(scope, key)
        with unavailable():
            # Plain SET NX, then GET: if the first answer is lost, the second finds what the first has written.
            self._client.set(name, json.dumps([fingerprint, id]), nx=True, ex=self._idempotency_seconds)
            bound = self._client.get(name)
        found = json.loads(bound) if bound else [fingerprint, id]
        return found[0], found[1]

    # transitions

    def create(
        self, ref: Ref, *, total: int, params: bytes, roots: Children, by: Dispatching, terms: Terms = NO_TERMS
    ) -> tuple[Outcome, int]:
        reply = self._run(
            "create",
            ref.instance_id,
            roots.items,
            execution_id=ref.execution_id,
            total=total,
            params=params,
            retention_ms=self._retention_ms,
            taken=by.taken,
            resend_ms=by.resend_ms,
            cursor=roots.cursor,
            terms=_terms(terms, total),
        )
        return Outcome(reply[0].decode()), int(reply[1])

    def take_due(self, instance_id: str, *, limit: int, resend_ms: int, max_lost: int) -> Due:
        reply = self._run(
            "take_due",
            instance_id,
            limit=limit,
            resend_ms=resend_ms,
            max_lost=max_lost,
            lost_error=LOST_ERROR,
            late_error=LATE_ERROR,
        )
        send, settle = [], []
        for i in range(4, len(reply), 3):
            node, number = int(reply[i + 1]), int(reply[i + 2])
            if reply[i] in (b"SEND", b"ALONE"):
                send.append(Ready(node, number, alone=reply[i] == b"ALONE"))
            else:
                settle.append(Unsettled(node, number, failed=reply[i] == b"SKIP"))
        return Due(Outcome(reply[0].decode()), bool(reply[1]), tuple(send), tuple(settle), reply[2], reply[3].decode())

    def claim(self, instance_id: str, *, owner: str, lease_ms: int, wanted: Sequence[Wanted]) -> Claim:
        nodes_wanted: list[Any] = []
        # Results that there is no room to ask for are read afterwards: a committed result never changes.
        afterwards = sum(len(want.needs) for want in wanted) > MOST_ARGUMENTS
        for want in wanted:
            needs = () if afterwards else want.needs
            nodes_wanted += [want.node, want.attempt, len(needs), *needs]
        reply = self._run("claim", instance_id, nodes_wanted, owner=owner, lease_ms=lease_ms)
        nodes = tuple(
            Claimed(
                want.node,
                want.attempt,
                Outcome(answer[0].decode()),
                int(answer[1]) if len(answer) > 1 else 0,
                tuple(answer[2:]),
            )
            for want, answer in zip(wanted, reply[4:], strict=False)
        )
        if afterwards:
            nodes = self._with_results(instance_id, wanted, nodes)
        waited_ms = None if reply[3] < 0 else reply[3]
        return Claim(Outcome(reply[0].decode()), reply[1], nodes, int(reply[2]), waited_ms)

    def _with_results(
        self, instance_id: str, wanted: Sequence[Wanted], nodes: tuple[Claimed, ...]
    ) -> tuple[Claimed, ...]:
        claimed = {one.node for one in nodes if one.outcome is Outcome.CLAIMED}
        needs = sorted({need for want in wanted if want.node in claimed for need in want.needs})
        found = self.results(instance_id, needs)
        return tuple(
            replace(one, results=tuple(found.get(need) for need in want.needs)) if one.node in claimed else one
            for one, want in zip(nodes, wanted, strict=False)
        )

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome:
        return Outcome(self._run("extend", instance_id, node=node, attempt=attempt, lease_ms=lease_ms)[0].decode())

    def complete(
        self, instance_id: str, *, done: Sequence[Done], by: Dispatching, hop: Hop | None = None
    ) -> Completion:
        owner, lease_ms, budget, weights = (hop.owner, hop.lease_ms, hop.budget, hop.weights) if hop else ("", 0, 0, {})
        ended: list[Any] = []
        for one in done:
            items = one.children.items
            ended += [one.node, one.attempt, one.children.cursor, one.result, len(items) // 2]
            for child, parents in zip(items[::2], items[1::2], strict=True):
                ended += [child, parents, weights.get(child, 0)]
        status, outcomes, claimed, ready, first = self._run(
            "complete",
            instance_id,
            ended,
            taken=by.taken,
            resend_ms=by.resend_ms,
            owner=owner,
            lease_ms=lease_ms,
            budget=budget,
        )
        return Completion(
            tuple(Outcome(outcome.decode()) for outcome in outcomes),
            status.decode(),
            tuple(int(node) for node in claimed),
            tuple(Ready(int(node), first) for node in ready),
            first,
        )

    def settle(self, instance_id: str, *, node: int, start: int, children: Children, by: Dispatching) -> Settled:
        outcome, status, first, *ready = self._run(
            "settle",
            instance_id,
            children.items,
            node=node,
            start=start,
            cursor=children.cursor,
            taken=by.taken,
            resend_ms=by.resend_ms,
        )
        return Settled(Outcome(outcome.decode()), status.decode(), tuple(Ready(int(node), first) for node in ready))

    def fail(
        self,
        instance_id: str,
        *,
        node: int,
        attempt: int,
        error: bytes,
        delay_ms: int | None,
        look_ms: int,
        descendants: Children,
    ) -> Transitioned:
        outcome, status = self._run(
            "fail",
            instance_id,
            descendants.items,
            node=node,
            attempt=attempt,
            error=error,
            delay_ms=-1 if delay_ms is None else delay_ms,
            look_ms=look_ms,
            cursor=descendants.cursor,
        )
        return Transitioned(Outcome(outcome.decode()), status.decode())

    def lose(
        self, instance_id: str, *, node: int, attempt: int, resend_ms: int, max_lost: int, error: bytes
    ) -> Transitioned:
        outcome, status = self._run(
            "lose", instance_id, node=node, attempt=attempt, resend_ms=resend_ms, max_lost=max_lost, error=error
        )
        return Transitioned(Outcome(outcome.decode()), status.decode())

    def end(self, instance_id: str, *, status: str, error: bytes) -> Outcome:
        return Outcome(self._run("end", instance_id, status=status, error=error)[0].decode())

    def pause(self, instance_id: str) -> Outcome:
        return Outcome(self._run("pause", instance_id)[0].decode())

    def resume(self, instance_id: str) -> Outcome:
        return Outcome(self._run("resume", instance_id)[0].decode())

    def rerun(
        self,
        instance_id: str,
        *,
        epoch: int,
        nodes: RerunNodes,
        params: bytes | None,
        reason: str,
        by: Dispatching,
    ) -> Outcome:
        outcome = self._run(
            "rerun",
            instance_id,
            epoch=epoch,
            first=nodes.first,
            params=b"" if params is None else params,
            taken=by.taken,
            resend_ms=by.resend_ms,
            reason=reason,
            rerun_nodes={
                "owing": list(nodes.owing),
                "ready": list(nodes.ready),
                "waiting": [number for pair in nodes.waiting.items() for number in pair],
            },
        )[0]
        return Outcome(outcome.decode())

    def clear_outbox(self, instance_id: str, *, epoch: int) -> Outcome:
        return Outcome(self._run("clear_outbox", instance_id, epoch=epoch)[0].decode())

    def forget(self, instance_id: str, *, emptied: bool = False) -> Outcome:
        """Delete a terminal instance; of one that is gone, what the shard's index and list still say of it."""
        return Outcome(self._run("forget", instance_id, emptied=emptied)[0].decode())

    def offload(self, instance_id: str, *, node: int, attempt: int) -> Outcome:
        return Outcome(self._run("offload", instance_id, node=node, attempt=attempt)[0].decode())

    # reads

    def overdue(self, *, limit: int) -> list[str]:
        """Instances of which something is due, the longest overdue of each shard first; `limit` per shard."""
        with unavailable():
            now = self._now()
            with self._client.pipeline(transaction=False) as pipe:
                for shard in ids.all_shards():
                    pipe.zrange(keys.index(shard), "-inf", now, byscore=True, offset=0, num=limit)
                return [member.decode() for members in pipe.execute() for member in members]

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
        """The committed results of these nodes (of all, without `nodes`), by index."""
        key = keys.results(instance_id)
        with unavailable():
            if nodes is None:
                return {int(node): value for node, value in self._client.hgetall(key).items()}
            with self._client.pipeline(transaction=False) as pipe:
                for start in range(0, len(nodes), MOST_ARGUMENTS):
                    pipe.hmget(key, list(nodes[start : start + MOST_ARGUMENTS]))
                values = [value for some in pipe.execute() for value in some]
        return {node: value for node, value in zip(nodes, values, strict=True) if value is not None}

    def history(self, instance_id: str) -> list[Event]:
        """What the records do not tell, the oldest first."""
        with unavailable():
            return [replies.event(raw) for raw in self._client.lrange(keys.history(instance_id), 0, -1)]

    def archive(self, instance_id: str) -> list[Archived]:
        """What nodes were before they were run again."""
        with unavailable():
            kept = self._client.hgetall(keys.archive(instance_id))
        return [replies.archived(name, raw) for name, raw in kept.items() if name != replies.STOWED]

    def wait_terminal(self, instance_id: str, seconds: float) -> None:
        """Return as soon as the instance is terminal, or after `seconds`."""
        key, end = keys.done(instance_id), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            # Rotating the one entry of the list leaves it for whoever else waits.
            with unavailable():
                # Redis counts milliseconds; before 7.0 it cut what is less to 0, which means for ever.
                if self._client.blmove(key, key, max(0.001, min(left, BLOCK_SECONDS))) is not None:
                    return

    def pressure(self, *, late_ms: int) -> Pressure:
        """Of a cluster's nodes, the fullest counts. Late: due `late_ms` ago, and nobody has looked at it since."""
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
        """Of every node: a cluster's client answers by node."""
        with unavailable():
            info = self._client.info(section)
        return list(info.values()) if all(isinstance(value, dict) for value in info.values()) else [info]

    def _now(self) -> int:
        answer = self._client.time()
        seconds, micros = next(iter(answer.values())) if isinstance(answer, dict) else answer
        return int(seconds) * 1000 + int(micros) // 1000

    def _run(self, name: str, instance_id: str, rest: Sequence[Any] = (), /, **named: Any) -> Any:
        """Run a transition of the instance with its named arguments, and what follows them."""
        return self._call(name, keys.instance(instance_id), instance_id, rest, **named)

    def _call(self, name: str, keys: Sequence[str], instance_id: str, rest: Sequence[Any] = (), /, **named: Any) -> Any:
        arguments = TRANSITIONS[name].encode(instance_id, named, rest)
        with unavailable():
            return self._scripts.run(name, keys, arguments)


def _terms(terms: Terms, total: int) -> dict[str, str]:
    """As META fields. Those that say nothing are left out."""
    every = len(terms.ignores) == total
    fields = {
        "name": terms.name,
        "tags": json.dumps(dict(terms.tags)) if terms.tags else "",
        "fail_fast": "1" if terms.fail_fast else "",
        "ignores": "" if not terms.ignores else "*" if every else f",{','.join(map(str, terms.ignores))},",
        "timeout_ms": "" if terms.timeout_ms is None else str(terms.timeout_ms),
        "webhook": "1" if terms.webhook else "",
    }
    policies = any(fields[name] for name in fields if name not in ("name", "tags"))
    if (schema := max(terms.schema, 2 if policies else 1)) > 1:
        fields["schema"] = str(schema)
    return {name: value for name, value in fields.items() if value}
