"""What the use cases and the worker need of the scheduler. `scheduler/` implements it, and depends on them in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.calls import Dispatching
from chalicelib.core.work import Ready, Ref

if TYPE_CHECKING:
    from chalicelib.core.plan import Plan


class Dispatch(Protocol):
    """What happens to nodes that a transition made ready. `by` goes into the transition, `unblocked` comes after it."""

    @property
    def by(self) -> Dispatching: ...

    def unblocked(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        """Get them onto the queue, by whatever way is set."""

    def send(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        """Put them on the queue from here."""


class Settler(Protocol):
    """Carries on what one transition was too short for."""

    def run(self, instance_id: str) -> object:
        """Look at an instance now: send and settle what is due, and what it owes when it is terminal."""

    def settle(self, ref: Ref, plan: Plan, node: int, start: int, *, failed: bool) -> None:
        """Deal with the children (of a failed node: the descendants) from `start` to the end; -1 is past the end."""

    def note_end(self, ref: Ref, plan: Plan, status: str) -> None:
        """Log the end of an instance and call its webhook, if `status`, which a transition left it in, is an end."""

    def abort(self, ref: Ref) -> None:
        """End an instance whose definition is gone."""
