"""Text of others, made fit to be stored and shown: it is Unicode, and is cut between characters. Pure."""

from __future__ import annotations

import codecs


def plain(text: str) -> str:
    """Half of a surrogate pair is shown by its escape: UTF-8 cannot say it, so no answer could hold it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def beginning(body: bytes, most: int) -> str:
    """The first `most` bytes as text, without the part of a character that they may end with."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(body[:most], final=len(body) <= most)
