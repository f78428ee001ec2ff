"""Answers on the wire: where an answer ends, and whether its connection may be used for another request.

http.client takes every interim answer except 100 for the answer itself, guesses if the framing is faulty, and forgets
the bytes that are left over. The next request on that connection would then read them as its own answer. So unreliable
framing is refused here, and a connection whose answer had no certain end is closed (RFC 9112, sections 6 and 9).
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HeaderParsingError
from urllib3.util.response import assert_header_parsing

# The time.monotonic() by which the current call must have ended.
DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=float("inf"))
# No server needs longer extensions, and they would fill memory: RFC 9112, section 7.1.1, advises to limit them.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\r\n]{0,4096})?\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class BadAnswer(http.client.HTTPException):
    """The answer is not HTTP, or does not say where it ends."""


class TooLate(Exception):
    """The deadline of the call passed before the end of its answer."""


class WireAnswer(http.client.HTTPResponse):
    """An answer with checked framing. `clean`: it ended where it said, and no bytes followed it."""

    fp: Any

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._sock = sock
        if isinstance(sock, ssl.SSLSocket):
            # An answer that ends with its connection is truncated, unless TLS was closed properly (RFC 9112, 9.8).
            sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock, DEADLINE.get()))
        self.clean = False

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise BadAnswer("it switches to another protocol, which nobody asked it to")
            if not 100 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)  # an interim answer: it is skipped, and the answer itself follows

    def begin(self) -> None:
        if self.headers is not None:
            return
        super().begin()
        try:
            # http.client stops at a line that is no header, and would miss a length that follows it.
            assert_header_parsing(self.msg)
        except HeaderParsingError:
            raise BadAnswer("its headers cannot be read") from None
        codings = _members(self.msg, "transfer-encoding")
        if self._method == "HEAD" or self.status in _NO_BODY:
            self._set_end(0, certain=False)  # some servers send a body all the same
        elif codings == ["chunked"]:
            self._set_end(None, chunked=True, certain="content-length" not in self.msg)
        elif codings not in ([], ["identity"]):
            raise BadAnswer("it uses a Transfer-Encoding that was not asked for")
        else:
            length = _length(self.msg)
            self._set_end(length, certain=length is not None and not codings)

    def _set_end(self, length: int | None, *, certain: bool, chunked: bool = False) -> None:
        self.length, self.chunked = length, chunked
        self.chunk_left = None
        # If set, http.client leaves the connection to this answer, which closes it at its end.
        self.will_close = not certain or self.version != 11 or "close" in _members(self.msg, "connection")

    def _get_chunk_left(self) -> int | None:
        if not self.chunk_left:
            if self.chunk_left is not None and self.fp.readline(3) not in (b"\r\n", b"\n"):
                raise BadAnswer("a chunk is longer than it said")
            line = self.fp.readline(8192)
            size = _CHUNK_SIZE.fullmatch(line)
            if not size:
                raise BadAnswer("a chunk does not say how long it is" if line else "it ends before its last chunk")
            self.chunk_left = int(size[1], 16)
        if self.chunk_left:
            return self.chunk_left
        self._read_and_discard_trailer()  # type: ignore[attr-defined]
        self.length = 0
        self._close_conn()
        self.chunk_left = None
        return None

    def _close_conn(self) -> None:
        if not self.will_close and self.length == 0:
            self.clean = not self._has_surplus()
        super()._close_conn()  # type: ignore[misc]

    def _has_surplus(self) -> bool:
        """Whether bytes have arrived that do not belong to this answer. It does not wait for any."""
        try:
            self._sock.settimeout(0)  # the next request sets a timeout of its own
            return bool(self.fp.peek(1))
        except ssl.SSLWantReadError:
            return False
        except (OSError, TooLate):
            return True


class _DeadlineReader(io.RawIOBase):
    """Reads from the socket until the deadline, even if the bytes arrive one by one."""

    def __init__(self, raw: Any, sock: socket.socket, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TooLate
        timeout = self._sock.gettimeout()
        if timeout is not None and timeout <= left:
            return self._raw.readinto(buffer)  # type: ignore[no-any-return]
        self._sock.settimeout(left)
        try:
            return self._raw.readinto(buffer)  # type: ignore[no-any-return]
        except TimeoutError:
            raise TooLate from None

    def close(self) -> None:
        super().close()
        self._raw.close()


class _WiredMixin:
    """A mixin for urllib3's connections that makes their answers WireAnswers."""

    _answer: WireAnswer | None = None

    def response_class(self, *args: Any, **options: Any) -> WireAnswer:
        self._answer = WireAnswer(*args, **options)
        return self._answer

    @property
    def is_connected(self) -> bool:
        """urllib3 checks this before it reuses a connection, and its own part finds bytes that have arrived since."""
        return super().is_connected and (self._answer is None or self._answer.clean)  # type: ignore[misc]


class WiredConnection(_WiredMixin, HTTPConnection):  # type: ignore[misc]
    """HTTP."""


class WiredTlsConnection(_WiredMixin, HTTPSConnection):  # type: ignore[misc]
    """HTTPS."""


def pools(**options: Any) -> urllib3.PoolManager:
    """A PoolManager whose connections are those of this module."""
    manager = urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = WiredConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = WiredTlsConnection


def _members(headers: Any, name: str) -> list[str]:
    """The list members of all lines of a header, in lower case."""
    members = ",".join(headers.get_all(name, [])).split(",")
    return [member.strip().lower() for member in members if member.strip()]


def _length(headers: Any) -> int | None:
    """The Content-Length; None if there is none. Raises BadAnswer if it is not one number."""
    if "content-length" not in headers:
        return None
    lengths = set(_members(headers, "content-length"))
    if len(lengths) != 1 or not _LENGTH.fullmatch(length := lengths.pop()):
        raise BadAnswer("its Content-Length is not one number")
    return int(length)
