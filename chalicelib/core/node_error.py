"""Why an attempt or an instance failed, as the store has it: JSON {type, message, traceback}. Pure.

What a handler raises may say anything, at any length. So each part is bounded and made text on the way in; and on the
way out as well, since earlier releases did not.
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
    """Keeps the beginnings, and the end of the traceback, which tells the most."""
    return NodeError(
        plain(type)[:MAX_TYPE],
        plain(message)[:MAX_MESSAGE],
        None if traceback is None else plain(traceback)[-MAX_TRACEBACK:],
    )


def decode(stored: bytes) -> NodeError:
    found = json.loads(stored.decode("utf-8", "replace"))
    return bounded(str(found.get("type") or ""), str(found.get("message") or ""), found.get("traceback"))
