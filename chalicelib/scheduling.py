"""The protocols by which use cases and worker use the scheduler, which `scheduler/` implements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.calls import Dispatching
from chalicelib.core.work import Ready, Ref

if TYPE_CHECKING:
    from chalicelib.core.plan import Plan


class Dispatch(Protocol):
    """Gets ready nodes onto the queue. `by` is an argument of the transition that makes them ready."""

    @property
    def by(self) -> Dispatching: ...

    def unblocked(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        """Enqueue what the transition made ready: from here, or by the scheduler function, as SCHEDULING says."""

    def send(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        """Enqueue ready nodes from this process."""


# Runs what can run here of the nodes that an instance begins with. Returns all ready nodes that are to be sent.
Begin = Callable[[Ref, "Plan", Sequence[Ready]], Sequence[Ready]]


class FirstHop(Protocol):
    """Begins an instance in the process that created it."""

    def turn(self, plan: Plan, roots: Sequence[int], params: bytes) -> AbstractContextManager[Begin]:
        """Wait for this process to have time for an instance with these roots, which is created in the block."""


class Settler(Protocol):
    """Completes what the transition that ended a node, or an instance, leaves to do."""

    def run(self, instance_id: str) -> object:
        """Make one pass over an instance: send and settle what is due; call the webhook of one that has ended."""

    def settle(self, ref: Ref, plan: Plan, node: int, start: int, *, failed: bool) -> None:
        """Settle the children (the descendants, if the node failed) from `start` on; -1 is past the end."""

    def note_end(self, ref: Ref, plan: Plan, status: str) -> None:
        """Log the end of an instance and call its webhook, if `status`, which a transition left it in, is an end."""

    def abort(self, ref: Ref) -> None:
        """End an instance whose definition is gone."""
