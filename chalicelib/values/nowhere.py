"""No storage for large results: VALUES_URL is not set, and a result that is too large for the store fails its node."""

from __future__ import annotations

import logging

from chalicelib.errors import ValuesUnavailable

log = logging.getLogger(__name__)


class NoValues:
    """See values/protocol.py. Results that were stored while VALUES_URL was set cannot be read."""

    def put(self, key: str, value: bytes) -> None:
        raise ValuesUnavailable(f"there is no place for {key}: VALUES_URL is not set")

    def get(self, key: str) -> bytes | None:
        raise ValuesUnavailable(f"{key} cannot be read: VALUES_URL is not set here, and was where it was put")

    def link(self, key: str) -> str | None:
        return None

    def forget(self, prefix: str) -> None:
        log.warning("large results left", extra={"prefix": prefix})

    def place(self, key: str) -> str:
        return key
