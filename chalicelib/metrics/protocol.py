"""What the engine says happened, to whoever counts it. All durations are seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class NodeEnd(NamedTuple):
    """A node that is COMPLETED or, `failed`, FAILED: after so many attempts, of which the last ran so long."""

    handler: str
    attempts: int
    seconds: float
    failed: bool = False


class Metrics(Protocol):
    """Each call is cheap, may come from any thread, and raises nothing. Iterables are read at once, or never."""

    def started(self) -> None:
        """An instance was created."""

    def ended(self, instance_id: str, status: str) -> None:
        """It is COMPLETED or FAILED."""

    def claimed(self, waited: float) -> None:
        """The nodes of a message were claimed, so long after the first of them was ready."""

    def nodes(self, ended: Iterable[NodeEnd]) -> None:
        """These nodes ended, by one commit."""

    def lost(self, handler: str) -> None:
        """A node FAILED because too many of its attempts were lost."""

    def dispatched(self, lags: Iterable[float]) -> None:
        """Messages were sent, each so long after the commit that made its nodes ready."""

    def swept(self, *, nodes: int, failed: int, late: float) -> None:
        """A sweep sent or settled so many nodes, of which the oldest was so late, and failed on so many instances."""

    def dead_letters(self, count: int) -> None:
        """Messages that no worker could take were dealt with."""

    def refused(self) -> None:
        """A request was refused because too much is waiting."""

    def invoked(self, dollars: float) -> None:
        """An invocation ended, and cost so much."""

    def flush(self) -> None:
        """Hand over what was counted: after an invocation the process may be frozen."""


class Off:
    """See Metrics: nobody counts."""

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
