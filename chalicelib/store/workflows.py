"""Stored workflows, and the Idempotency-Keys of the requests that made them or their instances."""

from __future__ import annotations

import json

from chalicelib import ids
from chalicelib.core.records import StoredWorkflow
from chalicelib.core.transitions import Outcome
from chalicelib.store import keys
from chalicelib.store.connection import check, unavailable
from chalicelib.store.server import RedisServer


class WorkflowStore(RedisServer):
    """A part of RedisStore, which sets for how long workflows and Idempotency-Keys are kept."""

    _workflow_seconds: int
    _idempotency_seconds: int

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
        """Delete a definition. Returns whether there was one. Its running instances end once a process needs it."""
        with unavailable(), self._client.pipeline(transaction=True) as pipe:
            pipe.delete(keys.workflow(execution_id))
            pipe.zrem(keys.workflows(ids.shard(execution_id)), execution_id)
            return bool(pipe.execute()[0])

    def workflow(self, execution_id: str) -> StoredWorkflow | None:
        """The definition, or None. Reading it renews its retention, so that a workflow in use is kept."""
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
        """Whether the definition is still stored: one command, since every status asks.

        That the key exists proves nothing: earlier releases wrote `latest` into workflows that had been deleted.
        """
        with unavailable():
            return bool(self._client.hexists(keys.workflow(execution_id), "document"))

    def note_latest(self, execution_id: str, instance_id: str) -> bool:
        """Store the newest instance of a workflow, for clients that keep only the first id.

        Returns False if the workflow is gone.
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
