"""Estimates the cost of an invocation at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from chalicelib.core import cost
from chalicelib.invocation import Invocation
from chalicelib.metrics.metered import CallCounts
from chalicelib.metrics.protocol import Metrics

# The requests of the event source mapping for a batch: one to receive it, and one to delete it.
MAPPING_REQUESTS = 2


class InvocationMeter:
    """Reports an estimate at the prices of core/cost.py. It includes the invocation's duration times its memory, its
    request, and its requests to SQS and commands in Redis. It leaves out init time, API Gateway and empty polls.
    """

    def __init__(self, metrics: Metrics, tally: CallCounts, *, memory_gb: float, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._tally = tally
        self._memory_gb = memory_gb
        self._clock = clock

    @contextlib.contextmanager
    def part(self, invocation: Invocation) -> Iterator[None]:
        """See invocation.Part. An invocation that fails costs as much, and its metrics are flushed as well."""
        started = self._clock()
        try:
            yield
        finally:
            requests = MAPPING_REQUESTS if invocation.messages else 0
            usage = self._tally.take(seconds=self._clock() - started, requests=requests)
            self._metrics.invoked(cost.ours(usage, memory_gb=self._memory_gb).total)
            self._metrics.flush()
