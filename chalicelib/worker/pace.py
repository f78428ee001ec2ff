"""What the nodes of a handler cost: how many of them one message, or one hop, may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.core.handler import Handler

# A message, or a hop, holds nodes that cost this much together.
ROOM = 100
INSTANT, SHORT = 1, 10
# A handler whose calls take less than this on average is short: ten of them behind one another are no wait.
SHORT_SECONDS = 0.005
# How much of the average the newest call is.
_WEIGHT = 0.2


class Pace:
    """Moving averages of how long handlers take, in this process. Shared by its threads: a lost update does no harm."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._seconds: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """A call took so long."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + _WEIGHT * (seconds - before)

    def cost(self, name: str) -> int:
        """Of one node, from 1 to ROOM: a handler that nobody has seen yet may be slow, and is alone in its message."""
        handler = self._handlers.get(name)
        return size(handler is None or handler.instant, self._seconds.get(name))


def size(instant: bool, seconds: float | None) -> int:
    """Of a node by the average of its handler, None where that is not known."""
    if instant:
        return INSTANT
    return SHORT if seconds is not None and seconds < SHORT_SECONDS else ROOM
