"""The patience of the local server with a client that sends slowly, or nothing."""

from __future__ import annotations

import io
import socket
import time
from typing import Any

IDLE_SECONDS = 75.0  # for which a kept-alive connection may be silent


class Patience(io.RawIOBase):
    """The bytes that a connection sends. Reading raises TimeoutError if a request is not complete in time."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._end: float | None = None

    def next_request(self) -> None:
        """Start the clock anew, at the next byte."""
        self._end = None

    def hurry(self, seconds: float) -> None:
        """Give the client `seconds` from now on."""
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = IDLE_SECONDS if self._end is None else self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        try:
            read = self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(IDLE_SECONDS)
        if self._end is None:
            self._end = time.monotonic() + self._seconds
        return read
