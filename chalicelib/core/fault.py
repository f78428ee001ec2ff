"""Why an attempt or an instance failed, as the store has it: JSON {type, message, traceback}. Pure.

What a handler raises may say anything, at any length. So each part is bounded and made text on the way in; and on the
way out as well, since earlier releases did not.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from chalicelib.core.text import plain

MAX_TYPE, MAX_MESSAGE, MAX_TRACEBACK = 200, 2000, 4000


class Fault(NamedTuple):
    """Of a traceback the end is what tells most."""

    type: str
    message: str
    traceback: str | None = None

    def encode(self) -> bytes:
        return json.dumps(self._asdict()).encode()


def bounded(type: str, message: str, traceback: str | None = None) -> Fault:
    return Fault(
        plain(type)[:MAX_TYPE],
        plain(message)[:MAX_MESSAGE],
        None if traceback is None else plain(traceback)[-MAX_TRACEBACK:],
    )


def encode(type: str, message: str) -> bytes:
    """Of what the engine itself has to say: there is no traceback."""
    return json.dumps({"type": type, "message": message}).encode()


def decode(stored: bytes) -> Fault:
    found = json.loads(stored.decode("utf-8", "replace"))
    return bounded(str(found.get("type") or ""), str(found.get("message") or ""), found.get("traceback"))
