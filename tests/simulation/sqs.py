"""A model of Amazon SQS standard queues: delivery at least once, in no order, delays, visibility timeouts, redrive.

By the Amazon SQS Developer Guide: "Standard queues", "Visibility timeout", "Dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chalicelib.core.work import Message
from chalicelib.queues.message import decode, encode
from chalicelib.queues.sqs import delay_seconds
from tests.simulation.calls import Calls
from tests.simulation.faults import Faults
from tests.simulation.world import World


@dataclass(slots=True)
class Entry:
    """A message in the queue. `visible_at` is in seconds of the world."""

    id: str
    body: str
    visible_at: float
    received: int = 0


class SimQueue:
    """The queue itself. After `max_receives` deliveries a message moves to `dead`."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        chance: Random,
        *,
        visibility: float,
        max_receives: int,
        dead: SimQueue | None,
    ) -> None:
        self._world, self._faults, self._chance = world, faults, chance
        self._visibility, self._max_receives, self._dead = visibility, max_receives, dead
        self._entries: dict[str, Entry] = {}
        self._count = 0

    def put(self, body: str, *, delay: float = 0.0) -> None:
        if self._faults.hit("message lost"):
            return
        for _ in range(2 if self._faults.hit("message doubled") else 1):
            self._count += 1
            entry = Entry(f"m{self._count}", body, self._world.now + delay)
            self._entries[entry.id] = entry

    def receive(self, limit: int = 10) -> list[Entry]:
        """Return some of the visible messages, in any order; they stay in the queue, invisible for a while."""
        visible = [entry for entry in self._entries.values() if entry.visible_at <= self._world.now]
        self._chance.shuffle(visible)
        taken = []
        for entry in visible[: self._chance.randint(1, limit)]:
            if entry.received >= self._max_receives and self._dead is not None:
                del self._entries[entry.id]
                self._dead.put(entry.body)
                continue
            entry.received += 1
            entry.visible_at = self._world.now + self._visibility
            taken.append(entry)
        return taken

    def holds(self, instance_id: str, node: int, attempt: int) -> bool:
        """Return whether a message for this attempt is in the queue, visible or not."""
        messages = (decode(entry.body) for entry in self._entries.values())
        wanted = (instance_id, node, attempt)
        return any(
            wanted == (message.ref.instance_id, one.node, one.attempt) for message in messages for one in message.nodes
        )

    def idle(self, least: float) -> float:
        """Return how long a poller may wait: nothing becomes visible before, except what is sent meanwhile."""
        until = min((entry.visible_at for entry in self._entries.values()), default=self._world.now + 5)
        return max(least, min(until - self._world.now, 5.0))

    def delete(self, entry: Entry) -> None:
        if not self._faults.hit("delete lost"):
            self._entries.pop(entry.id, None)

    def __len__(self) -> int:
        return len(self._entries)


class SimSender:
    """See queues/protocol.py. It is the queue as a process sees it."""

    def __init__(self, calls: Calls, queue: SimQueue, faults: Faults) -> None:
        self._calls, self._queue, self._faults = calls, queue, faults

    def send(self, messages: Sequence[Message]) -> list[Message]:
        result: list[Message] = self._calls.run(lambda: self._send(messages))
        return result

    def ping(self) -> None:
        return None

    def backlog(self) -> int:
        return len(self._queue)

    def _send(self, messages: Sequence[Message]) -> list[Message]:
        if self._faults.hit("send refused"):
            return list(messages)
        refused = []
        for message in messages:
            if self._faults.hit("send in part"):
                refused.append(message)
            else:
                self._queue.put(encode(message), delay=delay_seconds(message))
        return list(messages) if self._faults.hit("send unsaid") else refused
