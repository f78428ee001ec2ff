"""Puts large results where they are kept, and gets them back, checked."""

from __future__ import annotations

import threading
from collections import OrderedDict

from chalicelib import ids, node_ids
from chalicelib.errors import ValueLost
from chalicelib.values import reference
from chalicelib.values.protocol import Values
from chalicelib.values.reference import ResultReference

# Of what this process put or got, so many bytes stay in memory, and the newest in any case: the children of a node that
# run on in its worker, or come in one message, need its result at about the same time.
KEPT_BYTES = 32 * 1024 * 1024


class Offload:
    """Shared by all threads. `over`: a result with more bytes is large."""

    def __init__(self, values: Values, *, over: int, kept_bytes: int = KEPT_BYTES) -> None:
        self.over = over
        self._values = values
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def put(self, instance_id: str, node: str, attempt: int, value: bytes) -> bytes:
        """What is to be stored in its place. Raises ValuesUnavailable."""
        made = ResultReference.to(value, f"{_folder(instance_id)}{node_ids.plain(node)}/{attempt}")
        self._values.put(made.key, value)
        self._keep(made.key, value)
        return made.encode()

    def get(self, stored: bytes) -> bytes:
        """A result, whether it is stored as it is or elsewhere. Raises ValuesUnavailable, ValueLost."""
        if not reference.is_reference(stored):
            return stored
        wanted = reference.decode(stored)
        value = self._kept.get(wanted.key)
        if value is None:
            value = self._values.get(wanted.key)
            if value is None or not wanted.fits(value):
                what = "is gone" if value is None else "is not what was put there"
                raise ValueLost(
                    f"the result at {self._values.place(wanted.key)} {what}: run the instance again from its node"
                )
            self._keep(wanted.key, value)
        return value

    def link(self, stored: bytes) -> str | None:
        """A URL by which anybody can read the result behind a reference; None where there are none."""
        return self._values.link(reference.decode(stored).key)

    def forget(self, instance_id: str) -> None:
        """Delete all that was put for an instance, committed or not. Raises ValuesUnavailable."""
        self._values.forget(_folder(instance_id))

    def _keep(self, key: str, value: bytes) -> None:
        with self._lock:
            self._size += len(value) - len(self._kept.pop(key, b""))
            self._kept[key] = value
            while self._size > self._kept_bytes and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])


def _folder(instance_id: str) -> str:
    """The shard first: what S3 takes per second goes by how keys begin, and ids begin with their time."""
    return f"{ids.shard(instance_id)}/{instance_id}/"
