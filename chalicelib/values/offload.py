"""Stores large results outside the store, reads them back and checks them."""

from __future__ import annotations

import threading
from collections import OrderedDict

from chalicelib import ids, node_ids
from chalicelib.errors import ValueLost
from chalicelib.values import reference
from chalicelib.values.protocol import Values
from chalicelib.values.reference import ResultReference

# The size of the cache of results that this process stored or read; it always holds the newest. Children that run in
# the worker of their parent, or come in one message, need its result at about the same time.
KEPT_BYTES = 32 * 1024 * 1024


class Offload:
    """Shared by all threads. A result with more than `over` bytes is large."""

    def __init__(self, values: Values, *, over: int, kept_bytes: int = KEPT_BYTES) -> None:
        self.over = over
        self._values = values
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def put(self, instance_id: str, node: str, attempt: int, value: bytes) -> bytes:
        """Store a result, and return the reference for the store. Raises ValuesUnavailable."""
        pointer = ResultReference.to(value, f"{_folder(instance_id)}{node_ids.plain(node)}/{attempt}")
        self._values.put(pointer.key, value)
        self._keep(pointer.key, value)
        return pointer.encode()

    def get(self, stored: bytes) -> bytes:
        """The result, which `stored` is itself or refers to. Raises ValuesUnavailable and ValueLost."""
        if not reference.is_reference(stored):
            return stored
        pointer = reference.decode(stored)
        value = self._kept.get(pointer.key)
        if value is None:
            value = self._values.get(pointer.key)
            if value is None or not pointer.fits(value):
                what = "is gone" if value is None else "is not what was put there"
                raise ValueLost(
                    f"the result at {self._values.place(pointer.key)} {what}: run the instance again from its node"
                )
            self._keep(pointer.key, value)
        return value

    def link(self, stored: bytes) -> str | None:
        """A URL by which anybody can read the referenced result; None if the storage has no such URLs."""
        return self._values.link(reference.decode(stored).key)

    def forget(self, instance_id: str) -> None:
        """Delete all results that were stored for an instance, committed or not. Raises ValuesUnavailable."""
        self._values.forget(_folder(instance_id))

    def _keep(self, key: str, value: bytes) -> None:
        with self._lock:
            self._size += len(value) - len(self._kept.pop(key, b""))
            self._kept[key] = value
            while self._size > self._kept_bytes and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])


def _folder(instance_id: str) -> str:
    """The prefix of an instance's keys. The shard comes first: S3 limits rates by prefix, and ids begin with a time."""
    return f"{ids.shard(instance_id)}/{instance_id}/"
