"""The storage of results that are too large for the store."""

from __future__ import annotations

from typing import Protocol


class Values(Protocol):
    """Keeps each large result under a key. No key is ever used for two different results.

    Raises ValuesUnavailable.
    """

    def put(self, key: str, value: bytes) -> None: ...
    def get(self, key: str) -> bytes | None:
        """The result; None if it is gone."""

    def link(self, key: str) -> str | None:
        """A URL by which anybody can read the result for some minutes; None if the storage has no such URLs."""

    def forget(self, prefix: str) -> None:
        """Delete all results whose keys begin with the prefix, which ends with a slash."""

    def place(self, key: str) -> str:
        """Where the result is, for a message."""
