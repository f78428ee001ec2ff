"""The store on Redis or Valkey, a single server or a cluster. One method per Lua script; the only module with redis."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.maint_notifications import MaintNotificationsConfig

from chalicelib import ids
from chalicelib.errors import NewerSchema, Unavailable
from chalicelib.protocols import (
    Children,
    Claim,
    Claimed,
    Completion,
    Dispatching,
    Done,
    Due,
    Failure,
    Hop,
    Outcome,
    Pressure,
    Ready,
    Record,
    Ref,
    Settled,
    Snapshot,
    StoredWorkflow,
    Unsettled,
    Wanted,
)
from chalicelib.store import keys
from chalicelib.store.login import Login, LoginRetry
from chalicelib.store.scripts import Scripts

LOST_ERROR = json.dumps(
    {
        "type": "WorkerLost",
        "message": "the worker that ran this attempt stopped without a word (killed, out of memory, or cut off)",
    }
)
_NEWER = (
    "{what} was written by a newer release of dag-service, in schema {schema}; this one knows up to "
    f"{keys.SCHEMA}. It waits, untouched, until that release is deployed again."
)
_BLOCK_SECONDS = 2.5
# API Gateway waits 29 s for an answer, and a request asks the store more than once.
_PATIENCE_SECONDS = 8.0
# It answers, and won't write: maxmemory reached, a replica, a cluster without all its slots. redis-py makes classes of
# these and cuts the code off; those below it leaves as text: persistence broken, too few replicas.
_REFUSALS = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
)
# As many as the local server has threads for, and far more than a Lambda function needs.
_MAX_CONNECTIONS = 2000
_REFUSAL = re.compile(r"(?:^|caused error: )(?:MISCONF|NOREPLICAS) ")


def connect(url: str, *, cluster: bool = False, login: Login | None = None) -> Any:
    """A client that reconnects by itself. Transitions are fenced by the attempt, so a repeated call is harmless."""
    retry = LoginRetry(ExponentialBackoff(cap=1.0, base=0.05), 6, seconds=_PATIENCE_SECONDS)
    # A blocking wait lasts up to _BLOCK_SECONDS: the socket must be more patient than that.
    options: dict[str, Any] = {
        "retry": retry,
        "socket_timeout": 2 * _BLOCK_SECONDS,
        "socket_connect_timeout": 3,
        # Each client that waits holds one; redis-py refuses the hundred-and-first unless told otherwise.
        "max_connections": _MAX_CONNECTIONS,
        # One HELLO a connection, instead of four calls, one of which Valkey refuses.
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    options |= login.options(url) if login else {}
    if cluster:
        return redis.RedisCluster.from_url(url, **options)
    errors = [
        redis.exceptions.ConnectionError,
        redis.exceptions.TimeoutError,
        redis.exceptions.BusyLoadingError,
        # A primary that was made a replica keeps its connections: a new one leads to where the address points now.
        redis.exceptions.ReadOnlyError,
    ]
    return redis.Redis.from_url(url, retry_on_error=errors, health_check_interval=30, **options)


class RedisStore:
    """See protocols.Store. Raises Unavailable where Redis cannot be reached or refuses to write."""

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

    def put_workflow(self, execution_id: str, *, name: str, document: bytes) -> int:
        """Store a definition once; storing it again under the same id changes nothing. Returns created_at."""
        key = keys.workflow(execution_id)
        with _unavailable():
            now = self._now()
            with self._client.pipeline(transaction=True) as pipe:
                pipe.hsetnx(key, "document", document)
                pipe.hsetnx(key, "name", name)
                pipe.hsetnx(key, "created_at", now)
                pipe.hget(key, "created_at")
                pipe.expire(key, self._workflow_seconds)
                return int(pipe.execute()[3])

    def workflow(self, execution_id: str) -> StoredWorkflow | None:
        """The definition, or None. Reading it renews its retention: what is in use stays."""
        key = keys.workflow(execution_id)
        with _unavailable(), self._client.pipeline(transaction=True) as pipe:
            pipe.hmget(key, "name", "document", "created_at", "latest", "schema")
            pipe.expire(key, self._workflow_seconds)
            name, document, created_at, latest, schema = pipe.execute()[0]
        if document is None:
            return None
        _check(execution_id, schema)
        return StoredWorkflow(
            execution_id, name.decode(), document, int(created_at), latest.decode() if latest else None
        )

    def note_latest(self, execution_id: str, instance_id: str) -> None:
        """Remember the newest instance of a workflow, for clients that keep only the first id."""
        key = keys.workflow(execution_id)
        with _unavailable(), self._client.pipeline(transaction=True) as pipe:
            pipe.hset(key, "latest", instance_id)
            pipe.expire(key, self._workflow_seconds)
            pipe.execute()

    def reserve(self, scope: str, key: str, *, fingerprint: str, id: str) -> tuple[str, str]:
        """Bind an Idempotency-Key to (fingerprint, id), unless it is bound already. Returns what it is bound to."""
        name = keys.idempotency(scope, key)
        with _unavailable():
            # Plain SET NX, then GET: if the first answer is lost, the second finds what the first has written.
            self._client.set(name, json.dumps([fingerprint, id]), nx=True, ex=self._idempotency_seconds)
            bound = self._client.get(name)
        found = json.loads(bound) if bound else [fingerprint, id]
        return found[0], found[1]

    # transitions

    def create(self, ref: Ref, *, total: int, params: bytes, roots: Children, by: Dispatching) -> tuple[Outcome, int]:
        reply = self._run(
            "create",
            ref.instance_id,
            ref.execution_id,
            total,
            params,
            self._retention_ms,
            int(by.taken),
            by.resend_ms,
            roots.cursor,
            *roots.items,
        )
        return Outcome(reply[0].decode()), int(reply[1])

    def take_due(self, instance_id: str, *, limit: int, resend_ms: int, max_lost: int) -> Due:
        reply = self._run("take_due", instance_id, limit, resend_ms, max_lost, LOST_ERROR)
        send, settle = [], []
        for i in range(4, len(reply), 3):
            node, number = int(reply[i + 1]), int(reply[i + 2])
            if reply[i] in (b"SEND", b"ALONE"):
                send.append(Ready(node, number, alone=reply[i] == b"ALONE"))
            else:
                settle.append(Unsettled(node, number, failed=reply[i] == b"SKIP"))
        return Due(Outcome(reply[0].decode()), bool(reply[1]), tuple(send), tuple(settle), reply[2], reply[3].decode())

    def claim(self, instance_id: str, *, owner: str, lease_ms: int, wanted: Sequence[Wanted]) -> Claim:
        arguments: list[Any] = [owner, lease_ms]
        for want in wanted:
            arguments += [want.node, want.attempt, len(want.needs), *want.needs]
        reply = self._run("claim", instance_id, *arguments)
        nodes = tuple(
            Claimed(
                want.node,
                want.attempt,
                Outcome(answer[0].decode()),
                int(answer[1]) if len(answer) > 1 else 0,
                tuple(answer[2:]),
            )
            for want, answer in zip(wanted, reply[3:], strict=False)
        )
        return Claim(Outcome(reply[0].decode()), reply[1], nodes, None if reply[2] < 0 else reply[2])

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome:
        return Outcome(self._run("extend", instance_id, node, attempt, lease_ms)[0].decode())

    def complete(
        self, instance_id: str, *, done: Sequence[Done], by: Dispatching, hop: Hop | None = None
    ) -> Completion:
        owner, lease_ms, budget, costs = (hop.owner, hop.lease_ms, hop.budget, hop.costs) if hop else ("", 0, 0, {})
        arguments: list[Any] = [int(by.taken), by.resend_ms, owner, lease_ms, budget]
        for one in done:
            items = one.children.items
            arguments += [one.node, one.attempt, one.children.cursor, one.result, len(items) // 2]
            for child, parents in zip(items[::2], items[1::2], strict=True):
                arguments += [child, parents, costs.get(child, 0)]
        status, outcomes, claimed, ready = self._run("complete", instance_id, *arguments)
        return Completion(
            tuple(Outcome(outcome.decode()) for outcome in outcomes),
            status.decode(),
            tuple(int(node) for node in claimed),
            tuple(Ready(int(node), 1) for node in ready),
        )

    def settle(self, instance_id: str, *, node: int, start: int, children: Children, by: Dispatching) -> Settled:
        outcome, status, *ready = self._run(
            "settle", instance_id, node, start, children.cursor, int(by.taken), by.resend_ms, *children.items
        )
        return Settled(Outcome(outcome.decode()), status.decode(), tuple(Ready(int(node), 1) for node in ready))

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
    ) -> Failure:
        delay = -1 if delay_ms is None else delay_ms
        outcome, status = self._run(
            "fail",
            instance_id,
            node,
            attempt,
            error,
            delay,
            look_ms,
            descendants.cursor,
            *descendants.items,
        )
        return Failure(Outcome(outcome.decode()), status.decode())

    def lose(
        self, instance_id: str, *, node: int, attempt: int, resend_ms: int, max_lost: int, error: bytes
    ) -> Failure:
        outcome, status = self._run("lose", instance_id, node, attempt, resend_ms, max_lost, error)
        return Failure(Outcome(outcome.decode()), status.decode())

    def abort(self, instance_id: str, *, error: bytes) -> Outcome:
        return Outcome(self._run("abort", instance_id, error)[0].decode())

    # reads

    def overdue(self, *, limit: int) -> list[str]:
        """Instances of which something is due, the longest overdue of each shard first; `limit` per shard."""
        with _unavailable():
            now = self._now()
            with self._client.pipeline(transaction=False) as pipe:
                for shard in ids.all_shards():
                    pipe.zrange(keys.index(shard), "-inf", now, byscore=True, offset=0, num=limit)
                return [member.decode() for members in pipe.execute() for member in members]

    def execution_of(self, instance_id: str) -> str | None:
        with _unavailable():
            value = self._client.hget(keys.meta(instance_id), "execution_id")
        return value.decode() if value else None

    def status(self, instance_id: str) -> str | None:
        with _unavailable():
            value, schema = self._client.hmget(keys.meta(instance_id), "status", "schema")
        _check(instance_id, schema)
        return value.decode() if value else None

    def snapshot(self, instance_id: str, *, whole: bool = True) -> Snapshot | None:
        """Without `whole`, no node but the one that failed the instance: the same work whatever its size."""
        meta, nodes, errors = (_pairs(flat) for flat in self._run("read", instance_id, int(whole)))
        return _snapshot(instance_id, meta, nodes, errors) if meta else None

    def results(self, instance_id: str, nodes: Sequence[int] | None = None) -> dict[int, bytes]:
        """The committed results of these nodes (of all, without `nodes`), by index."""
        key = keys.results(instance_id)
        with _unavailable():
            if nodes is None:
                return {int(node): value for node, value in self._client.hgetall(key).items()}
            values = self._client.hmget(key, list(nodes)) if nodes else []
        return {node: value for node, value in zip(nodes, values, strict=True) if value is not None}

    def wait_terminal(self, instance_id: str, seconds: float) -> None:
        """Return as soon as the instance is terminal, or after `seconds`."""
        key, end = keys.done(instance_id), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            # Rotating the one entry of the list leaves it for whoever else waits.
            with _unavailable():
                if self._client.blmove(key, key, min(left, _BLOCK_SECONDS)) is not None:
                    return

    def pressure(self, *, late_ms: int) -> Pressure:
        """Of a cluster's nodes, the fullest counts. Late: due `late_ms` ago, and nobody has looked at it since."""
        shares = [
            int(info["used_memory"]) / int(info["maxmemory"])
            for info in self._info("memory")
            if int(info.get("maxmemory", 0)) > 0
        ]
        with _unavailable():
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
        with _unavailable():
            info = self._client.info(section)
        return list(info.values()) if all(isinstance(value, dict) for value in info.values()) else [info]

    def _now(self) -> int:
        answer = self._client.time()
        seconds, micros = next(iter(answer.values())) if isinstance(answer, dict) else answer
        return int(seconds) * 1000 + int(micros) // 1000

    def _run(self, name: str, instance_id: str, *arguments: Any) -> Any:
        with _unavailable():
            return self._scripts.run(name, keys.instance(instance_id), (instance_id, *arguments))


def _check(id: str, schema: bytes | None) -> None:
    """What the scripts do by `check`, for what is read without one."""
    if int(schema or 1) > keys.SCHEMA:
        raise NewerSchema(_NEWER.format(what=f"`{id}`", schema=int(schema or 1)))


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except redis.exceptions.ResponseError as error:
        if newer := re.match(r"NEWER (\d+)", str(error)):
            raise NewerSchema(_NEWER.format(what="the instance", schema=newer[1])) from error
        if isinstance(error, _REFUSALS) or _REFUSAL.search(str(error)):
            raise Unavailable(f"the store refuses: {error}") from error
        raise
    except redis.exceptions.RedisError as error:
        raise Unavailable(f"the store cannot be reached: {error}") from error


def _pairs(flat: Any) -> dict[bytes, bytes]:
    if isinstance(flat, dict):  # RESP3
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _snapshot(
    instance_id: str, meta: dict[bytes, bytes], nodes: dict[bytes, bytes], errors: dict[bytes, bytes]
) -> Snapshot:
    counts = {name: int(meta[name.encode()]) for name in ("total", "running", "completed", "failed", "skipped")}
    counts["cancelled"] = int(meta[b"cancelled"])
    counts["pending"] = 2 * counts["total"] - sum(counts.values())
    started, finished, error_node = meta.get(b"started_at"), meta.get(b"finished_at"), meta.get(b"error_node")
    return Snapshot(
        instance_id=instance_id,
        execution_id=meta[b"execution_id"].decode(),
        status=meta[b"status"].decode(),
        counts=counts,
        created_at=int(meta[b"created_at"]),
        started_at=int(started) if started else None,
        finished_at=int(finished) if finished else None,
        error=meta.get(b"error"),
        error_node=int(error_node) if error_node else None,
        records={int(node): _record(raw) for node, raw in nodes.items() if node != b"-1"},
        errors={int(node): raw for node, raw in errors.items()},
    )


def _record(raw: bytes) -> Record:
    status, attempt, failures, lost, sends, cursor, queued, started, finished, _ = raw.decode().split(":", 9)
    times = [int(value) if value else None for value in (queued, started, finished)]
    return Record(status, int(attempt), int(failures), int(lost), int(sends), int(cursor), *times)
