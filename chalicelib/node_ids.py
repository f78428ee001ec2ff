"""What the id of a node may be, and what stands for it where not every character can."""

from __future__ import annotations

import hashlib
import re

MOST = 128
# Quotes delimit an id in templates (`{{ ["a.b"].body }}`) and in expressions, braces the templates themselves.
_REFUSED = frozenset("{}\"'`")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")


def fault(id: str) -> str | None:
    """What is wrong with a text of 1 to MOST characters as an id, in a sentence with the remedy."""
    wrong = next((c for c in id if not c.isprintable() or c in _REFUSED), None)
    if wrong is not None:
        shown = f"`{wrong}`" if wrong.isprintable() and wrong != "`" else f"the character U+{ord(wrong):04X}"
        return f"an id cannot hold {shown}: use any printable characters but braces and quotes"
    if id in (".", ".."):
        return f"`{id}` cannot be an id, since URLs read it as a folder: rename the node"
    return None


def is_plain(id: str) -> bool:
    """Whether it can stand anywhere as it is: in paths, keys, headers and templates."""
    return _PLAIN.fullmatch(id) is not None


def plain(id: str) -> str:
    """What stands for it in keys, paths and headers: the id itself, or else its hash, which no plain id equals."""
    return id if is_plain(id) else f"~{hashlib.sha256(id.encode()).hexdigest()[:32]}"
