"""Makes text from outside fit to be stored and shown: valid Unicode, cut between characters. Pure."""

from __future__ import annotations

import codecs


def plain(text: str) -> str:
    """The text with half a surrogate pair as its escape: UTF-8 cannot encode it, so that no answer could contain it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def beginning(body: bytes, most: int) -> str:
    """The first `most` bytes as text, without the incomplete character that they may end with."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(body[:most], final=len(body) <= most)
