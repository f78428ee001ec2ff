"""Reads the body of a request, as a document or a model, and binds its Idempotency-Key to an id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from chalicelib import ids
from chalicelib.core import definition, strictjson
from chalicelib.errors import IdempotencyConflict
from chalicelib.store.protocol import Store

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """The limits of a body."""

    body_bytes: int
    nodes: int
    depth: int


def document(body: bytes, limits: BodyLimits) -> Any:
    """The body as JSON. Raises MalformedBody, BodyTooLarge."""
    return strictjson.loads(body, max_bytes=limits.body_bytes, max_depth=limits.depth)


def read(body: bytes, model: type[M], limits: BodyLimits) -> M:
    """The body as a model; an empty body counts as an empty object. Raises InvalidDocument as well."""
    return definition.check_body(document(body if body.strip() else b"{}", limits), model)


def new_id(store: Store, kind: str, scope: str, key: str | None, *, body: bytes) -> tuple[str, bool]:
    """A new id and False; with an Idempotency-Key that was used before, the id that it is bound to and True."""
    id = ids.new(kind)
    bound = bind(store, scope, key, body=body, id=id)
    return bound, bound != id


def bind(store: Store, scope: str, key: str | None, *, body: bytes, id: str) -> str:
    """Return `id`; with an Idempotency-Key, the id that it was first used for. Raises IdempotencyConflict."""
    if key is None:
        return id
    fingerprint = hashlib.sha256(body).hexdigest()
    bound_to, bound_id = store.reserve(scope, key, fingerprint=fingerprint, id=id)
    if bound_to != fingerprint:
        raise IdempotencyConflict("this Idempotency-Key was used before with another body: use a new key")
    return bound_id
