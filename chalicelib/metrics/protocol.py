"""The events that the engine reports to be counted. All durations are in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class NodeEnd(NamedTuple):
    """A node that is COMPLETED, or FAILED if `failed`. `seconds` is the duration of its last attempt."""

    handler: str
    attempts: int
    seconds: float
    failed: bool = False


class Metrics(Protocol):
    """All methods are cheap and thread-safe, and raise nothing. Iterables are read during the call, or never."""

    def started(self) -> None:
        """An instance was created."""

    def ended(self, instance_id: str, status: str) -> None:
        """An instance is COMPLETED, FAILED or CANCELLED."""

    def claimed(self, waited: float) -> None:
        """The nodes of a message were claimed, `waited` after the first of them was ready."""

    def nodes(self, ended: Iterable[NodeEnd]) -> None:
        """These nodes ended by one commit."""

    def lost(self, handler: str) -> None:
        """A node FAILED because too many of its attempts were lost."""

    def dispatched(self, lags: Iterable[float]) -> None:
        """Messages were sent. A lag is the time since the commit that made the nodes of a message ready."""

    def swept(self, *, nodes: int, failed: int, late: float) -> None:
        """A sweep sent or settled `nodes`, the oldest of which was `late`, and failed on `failed` instances."""

    def dead_letters(self, count: int) -> None:
        """`count` messages that no worker could take were handled."""

    def refused(self) -> None:
        """A request was refused, since too much work is waiting."""

    def invoked(self, dollars: float) -> None:
        """An invocation that cost `dollars` ended."""

    def flush(self) -> None:
        """Export what was counted, since the process may be frozen after an invocation."""


class Off:
    """See Metrics. It counts nothing."""

    def started(self) -> None: ...
    def ended(self, instance_id: str, status: str) -> None: ...
    def claimed(self, waited: float) -> None: ...
    def nodes(self, ended: Iterable[NodeEnd]) -> None: ...
    def lost(self, handler: str) -> None: ...
    def dispatched(self, lags: Iterable[float]) -> None: ...
    def swept(self, *, nodes: int, failed: int, late: float) -> None: ...
    def dead_letters(self, count: int) -> None: ...
    def refused(self) -> None: ...
    def invoked(self, dollars: float) -> None: ...
    def flush(self) -> None: ...


OFF = Off()
