"""Which ids nodes may have, and how an id is written where not every character is allowed."""

from __future__ import annotations

import hashlib
import re

MOST = 128
# Quotes delimit an id in templates (`{{ ["a.b"].body }}`) and in expressions, braces the templates themselves.
_REFUSED = frozenset("{}\"'`")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")


def fault(id: str) -> str | None:
    """Why a text of 1 to MOST characters cannot be an id, in a sentence with the remedy; None if it can."""
    refused = next((c for c in id if not c.isprintable() or c in _REFUSED), None)
    if refused is not None:
        shown = f"`{refused}`" if refused.isprintable() and refused != "`" else f"the character U+{ord(refused):04X}"
        return f"an id cannot hold {shown}: use any printable characters but braces and quotes"
    if id in (".", ".."):
        return f"`{id}` cannot be an id, since URLs read it as a folder: rename the node"
    return None


def is_plain(id: str) -> bool:
    """Whether the id can be used as it is everywhere: in paths, keys, headers and templates."""
    return _PLAIN.fullmatch(id) is not None


def plain(id: str) -> str:
    """The id for keys, paths and headers: itself if it is plain, else its hash, which equals no plain id."""
    return id if is_plain(id) else f"~{hashlib.sha256(id.encode()).hexdigest()[:32]}"
