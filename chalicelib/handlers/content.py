"""Decodes a body by its Content-Encoding, up to a size, and refuses a truncated one (RFC 9110, section 8.4).

urllib3 decodes as well, but accepts the beginning of a compressed body as all of it.
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
    """The body is truncated, or is not in the coding that its header names."""


class TooLarge(Exception):
    """The decoded body is larger than the limit."""


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without the codings in `encoding`, the header's value. Decoding stops at a coding that is not known.

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
            body = decode(body, limit) if body else body  # an answer to HEAD has the header, but no body
        except (Broken, TooLarge):
            raise
        except Exception as error:  # each library has errors of its own
            raise Broken(f"it is not in {coding}, as it says: {error}"[:200]) from None
    return body


def _frames(body: bytes, limit: int, new: Callable[[], Any], magic: bytes) -> bytes:
    """Decode consecutive frames (members). Bytes after a frame that begin no other are padding, as in other clients."""
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
    """Decode the zlib format, or raw deflate data, which some servers send (RFC 9110, section 8.4.1.2)."""
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
    # Only a node's own headers can ask for these. They are decoded if a library for them is installed.
    if coding == "br" and (library := _library("brotli")):
        return _brotli(library)
    if coding == "zstd" and (library := _library("compression.zstd", "backports.zstd")):
        return _zstd(library)
    return None
