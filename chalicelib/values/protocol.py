"""Where results are kept that are too large for the store."""

from __future__ import annotations

from typing import Protocol


class Values(Protocol):
    """Where results are kept that are too large for the store, each under a key. None is ever overwritten by another.

    Raises ValuesUnavailable.
    """

    def put(self, key: str, value: bytes) -> None: ...
    def get(self, key: str) -> bytes | None:
        """None where it is gone."""

    def link(self, key: str) -> str | None:
        """A URL by which anybody can read it for some minutes; None where there are none."""

    def forget(self, prefix: str) -> None:
        """Delete all whose keys begin so: the prefix ends with a slash."""

    def place(self, key: str) -> str:
        """Where it is, for a sentence."""
