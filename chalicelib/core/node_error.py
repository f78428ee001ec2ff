"""Why an attempt or an instance failed, as the store has it: JSON {type, message, traceback}. Pure.

The error of a handler may have any text, of any length. So each part is cut and made valid Unicode when it is stored,
and also when it is read, since earlier releases did not do that.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from chalicelib.core.text import plain

MAX_TYPE, MAX_MESSAGE, MAX_TRACEBACK = 200, 2000, 4000


class NodeError(NamedTuple):
    """Without a `traceback` the engine itself ended the attempt or the instance."""

    type: str
    message: str
    traceback: str | None = None

    def encode(self) -> bytes:
        return json.dumps({name: value for name, value in self._asdict().items() if value is not None}).encode()


def bounded(type: str, message: str, traceback: str | None = None) -> NodeError:
    """Keep the beginning of type and message, and the end of the traceback, which tells the most."""
    return NodeError(
        plain(type)[:MAX_TYPE],
        plain(message)[:MAX_MESSAGE],
        None if traceback is None else plain(traceback)[-MAX_TRACEBACK:],
    )


def decode(stored: bytes) -> NodeError:
    found = json.loads(stored.decode("utf-8", "replace"))
    return bounded(str(found.get("type") or ""), str(found.get("message") or ""), found.get("traceback"))
