"""What an invocation costs, when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from chalicelib.core import cost
from chalicelib.invocation import Invocation
from chalicelib.metrics.metered import CallCounts
from chalicelib.metrics.protocol import Metrics

# The event source mapping receives a batch and deletes it: a request each.
MAPPING_REQUESTS = 2


class InvocationMeter:
    """An estimate, at the prices of core/cost.py: its time by its memory, its own request, the requests of SQS for it,
    and the commands of Redis that its calls lead to. Init time, API Gateway and polls that find nothing are left out.
    """

    def __init__(self, metrics: Metrics, tally: CallCounts, *, memory_gb: float, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._tally = tally
        self._memory_gb = memory_gb
        self._clock = clock

    @contextlib.contextmanager
    def part(self, invocation: Invocation) -> Iterator[None]:
        """See invocation.Part: whatever became of it, it is paid for, and its metrics are handed over."""
        started = self._clock()
        try:
            yield
        finally:
            requests = MAPPING_REQUESTS if invocation.messages else 0
            usage = self._tally.take(seconds=self._clock() - started, requests=requests)
            self._metrics.invoked(cost.ours(usage, memory_gb=self._memory_gb).total)
            self._metrics.flush()
