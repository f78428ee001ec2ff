"""The body of a request, sent with a Content-Length or in chunks (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import re
from email.errors import MissingHeaderBodySeparatorDefect
from email.message import Message
from http import HTTPStatus
from typing import BinaryIO

# int() refuses thousands of digits.
MAX_LENGTH_DIGITS = 18
# The most that the lines around chunks may take: reading millions of one-byte chunks would take too long.
FRAMING_BYTES = 1024 * 1024
LINE_BYTES = 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\r\n]*)?\r\n")


class Fault(Exception):
    """The request violates HTTP, so there is no telling where the next one would begin."""

    def __init__(self, detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(detail)
        self.status = status


class TooLarge(Exception):
    """The body has more bytes than are accepted."""


def length(headers: Message, most: int) -> int | None:
    """The length of the body; None if it comes in chunks. Raises Fault, TooLarge."""
    # The other defects are about bodies: the parser is made for mail, and takes the headers for a whole message.
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in headers.defects):
        # The parser stops at such a line: what follows would be taken for the next request.
        raise Fault("A header line is malformed")
    if len(headers.get_all("host", ())) > 1:
        raise Fault("There are two Hosts")
    given = set(headers.get_all("content-length", ()))
    if codings := ", ".join(headers.get_all("transfer-encoding", ())):
        if given:
            raise Fault("There are a Content-Length and a Transfer-Encoding: only one can be true")
        if codings.strip().lower() != "chunked":
            raise Fault("Send the body with a Content-Length, or chunked", HTTPStatus.NOT_IMPLEMENTED)
        return None
    if len(given) > 1:
        raise Fault("There are two Content-Lengths, and they differ")
    digits = given.pop() if given else "0"
    if not (digits.isascii() and digits.isdigit()):
        raise Fault("The Content-Length is not a number")
    if len(digits) > MAX_LENGTH_DIGITS or int(digits) > most:
        raise TooLarge
    return int(digits)


def read(stream: BinaryIO, length: int | None, most: int) -> bytes:
    """The whole body. Raises Fault, TooLarge."""
    if length is None:
        return _chunks(stream, most)
    body = stream.read(length) if length else b""
    if len(body) < length:
        # The part that arrived may be valid JSON, but it is not what the client meant.
        raise Fault(f"The body ends after {len(body)} of {length} bytes")
    return body


def _chunks(stream: BinaryIO, most: int) -> bytes:
    body, framing = bytearray(), 0
    while size := _size(line := stream.readline(LINE_BYTES)):
        framing += len(line) + 2
        if len(body) + size > most:
            raise TooLarge
        if framing > FRAMING_BYTES:
            raise Fault("The body comes in too many small chunks")
        chunk = stream.read(size)
        if len(chunk) < size:
            raise Fault(f"The body ends after {len(body) + len(chunk)} bytes, within a chunk")
        body += chunk
        if stream.read(2) != b"\r\n":
            raise Fault("A chunk does not end where it says")
    while (line := stream.readline(LINE_BYTES)) != b"\r\n":  # trailers are not needed
        framing += len(line)
        if not line.endswith(b"\r\n") or framing > FRAMING_BYTES:
            raise Fault("The body does not end as chunks do")
    return bytes(body)


def _size(line: bytes) -> int:
    matched = _SIZE.fullmatch(line)
    if matched is None:
        raise Fault("A chunk does not begin with its size")
    return int(matched[1], 16)
