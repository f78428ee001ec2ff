"""What a Content-Encoding has done to a body, undone: within a size, and only where the body is whole (RFC 9110, 8.4).

urllib3 decodes as well, but takes what has come of a compressed body for all of it.
"""

from __future__ import annotations

import contextlib
import importlib
import zlib
from collections.abc import Callable
from typing import Any

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_MAX_CODINGS = 5


class Broken(Exception):
    """The body was cut off, or is not in the coding that it is said to be in."""


class TooLarge(Exception):
    """The body is larger than the limit, once decoded."""


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """`encoding` is the header's value. A coding that nobody here can read is left as it is, with what is below it.

    Raises Broken and TooLarge.
    """
    codings = [coding.strip().lower() for coding in encoding.split(",") if coding.strip()]
    if len(codings) > _MAX_CODINGS:
        raise Broken(f"it is encoded {len(codings)} times over")
    for coding in reversed(codings):
        if coding == "identity":
            continue
        decode = _decoder(coding)
        if decode is None:
            return body
        try:
            body = decode(body, limit) if body else body  # an answer to HEAD has the header, and no body
        except (Broken, TooLarge):
            raise
        except Exception as error:  # each library has its own
            raise Broken(f"it is not in {coding}, as it says: {error}"[:200]) from None
    return body


def _frames(body: bytes, limit: int, new: Callable[[], Any], magic: bytes) -> bytes:
    """Frames (members) one after another; what is no frame behind the first is padding, as other clients see it."""
    data = bytearray()
    while True:
        decoder = new()
        data += decoder.decompress(body, limit + 1 - len(data))
        if len(data) > limit:
            raise TooLarge
        if not decoder.eof:
            raise Broken("the compressed body ends too early")
        body = decoder.unused_data
        if not (body and magic.startswith(body[: len(magic)])):
            return bytes(data)


def _gzip(body: bytes, limit: int) -> bytes:
    return _frames(body, limit, lambda: zlib.decompressobj(_GZIP), b"\x1f\x8b")


def _deflate(body: bytes, limit: int) -> bytes:
    """The zlib format, or without its wrapper, as some send it (RFC 9110, 8.4.1.2)."""
    try:
        zlib.decompressobj(_ZLIB).decompress(body[:2], 1)
    except zlib.error:
        return _frames(body, limit, lambda: zlib.decompressobj(_RAW), b"")
    return _frames(body, limit, lambda: zlib.decompressobj(_ZLIB), b"")


def _brotli(library: Any) -> Callable[[bytes, int], bytes]:
    def decode(body: bytes, limit: int) -> bytes:
        decoder = library.Decompressor()
        data = bytearray(decoder.process(body, output_buffer_limit=limit + 1))
        while len(data) <= limit and not decoder.is_finished():
            more = decoder.process(b"", output_buffer_limit=limit + 1 - len(data))
            if not more and decoder.can_accept_more_data():
                raise Broken("the compressed body ends too early")
            data += more
        if len(data) > limit:
            raise TooLarge
        return bytes(data)

    return decode


def _zstd(library: Any) -> Callable[[bytes, int], bytes]:
    return lambda body, limit: _frames(body, limit, library.ZstdDecompressor, b"\x28\xb5\x2f\xfd")


def _library(*names: str) -> Any:
    """The first of these modules that is installed, or None."""
    for name in names:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None


def _decoder(coding: str) -> Callable[[bytes, int], bytes] | None:
    if coding in ("gzip", "x-gzip"):
        return _gzip
    if coding == "deflate":
        return _deflate
    # Nobody asks for these, unless the node's headers do; they are read where there is somebody to read them.
    if coding == "br" and (library := _library("brotli")):
        return _brotli(library)
    if coding == "zstd" and (library := _library("compression.zstd", "backports.zstd")):
        return _zstd(library)
    return None
