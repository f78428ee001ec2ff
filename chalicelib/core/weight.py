"""How many nodes fit together: into a message, and into what a worker runs on with. Pure.

Nodes that wait for something else (a service, a model) need next to no processor time, so a worker holds many of them
at once. Nodes that compute share nothing. What is over in an instant, or in a few milliseconds, runs one after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# A message holds nodes that weigh this much together.
ROOM = 100
INSTANT, SHORT = 1, 10
# A handler whose calls take less than this on average is short: ten of them behind one another are no wait.
SHORT_SECONDS = 0.005
# A trigger runs at most this many nodes before it answers.
FIRST_HOP_NODES = 100
# An invocation takes this many messages (app.py, batch_size).
BATCH = 10


@dataclass(frozen=True, slots=True)
class Weight:
    """What a node takes of the room, and whether it waits."""

    size: int
    waits: bool = False


INSTANT_WEIGHT, SHORT_WEIGHT, ALONE = Weight(INSTANT), Weight(SHORT), Weight(ROOM)


def of_slow(seconds: float | None, *, waits: bool, waiting: int) -> Weight:
    """The weight of a node that is not instant, by the average of its handler; None where that was never measured.

    `waiting`: what `waiting_size` answers for the setting.
    """
    if waits:
        return Weight(waiting, waits=True)
    return SHORT_WEIGHT if seconds is not None and seconds < SHORT_SECONDS else ALONE


def waiting_size(nodes: int) -> int:
    """The size of a node that waits, of which this many fit into one invocation."""
    return min(ROOM, max(1, -(-BATCH * ROOM // nodes)))


@dataclass(frozen=True, slots=True)
class HopRoom:
    """The room for the children of nodes that ended together. A child that waits takes `scale` times its size of it."""

    budget: int
    scale: float

    def limited(self, nodes: int) -> HopRoom:
        """The room for at most this many instant children."""
        return HopRoom(min(self.budget, nodes * INSTANT), self.scale)

    def takes(self, child: Weight) -> int:
        return -int(-child.size * self.scale // 1) if child.waits else child.size


def hop_room(ended: Iterable[Weight]) -> HopRoom:
    """The room behind nodes that ended together, by the weights of those of them that were not instant.

    Each of their threads may go on with a child. A node that waited makes room for one that waits, and no more: else a
    worker would come to hold ever more nodes than it was sent.
    """
    freed = sum(weight.size if weight.waits else ROOM for weight in ended)
    budget = max(ROOM, freed)
    return HopRoom(budget, budget / freed if freed else 1.0)
