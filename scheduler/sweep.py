"""The polling pass over all overdue instances. It mends lost sends and lost workers, and sends distant retries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

from chalicelib.metrics.protocol import OFF, Metrics
from chalicelib.store.protocol import Store
from scheduler.scheduler import Scheduler

# The most instances per shard and round: so a round is short, and no shard starves another.
LIMIT = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """The counts of one sweep: instances it visited, nodes sent or settled, instances that raised an error."""

    instances: int
    nodes: int
    failed: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class Sweep:
    """Runs the scheduler over every overdue instance. Several at once are harmless."""

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        *,
        clock: Callable[[], float],
        metrics: Metrics = OFF,
        seconds: float = 45,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._scheduler = scheduler
        self._seconds = seconds
        self._clock = clock

    def run(self) -> Swept:
        """Sweep until nothing is overdue, for at most `seconds`. Raises Unavailable if the store cannot be reached."""
        end = self._clock() + self._seconds
        instances = nodes = failed = late_ms = 0
        seen: set[str] = set()
        while self._clock() < end:
            overdue = [instance for instance in self._store.overdue(limit=LIMIT) if instance not in seen]
            if not overdue:
                break
            for instance_id in overdue:
                seen.add(instance_id)
                instances += 1
                try:
                    done = self._scheduler.run(instance_id)
                    nodes, late_ms = nodes + done.nodes, max(late_ms, done.late_ms)
                except Exception:  # one broken instance must not keep the others waiting
                    failed += 1
                    log.exception("sweep failed on an instance", extra={"instance_id": instance_id})
        swept = Swept(instances, nodes, failed)
        self._metrics.swept(nodes=nodes, failed=failed, late=late_ms / 1000)
        if instances:
            log.info("swept", extra=swept.as_dict())
        return swept
