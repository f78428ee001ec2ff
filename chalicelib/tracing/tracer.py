"""What the service says of its work to whoever traces it. Off by default: `Off` costs a call that does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chalicelib.core.plan import Plan
    from chalicelib.core.work import Ref
    from chalicelib.invocation import Invocation


class Delivery(Protocol):
    """The message that brought a node to its worker. `waited_ms`: how long the node had been ready for, where known."""

    @property
    def message_id(self) -> str: ...
    @property
    def carrier(self) -> Mapping[str, str]: ...
    @property
    def waited_ms(self) -> int | None: ...


class Attempt(Protocol):
    """An attempt of a node that a worker runs. `hop`: the worker runs on with it, and no message brought it."""

    @property
    def ref(self) -> Ref: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def node(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def hop(self) -> bool: ...
    @property
    def delivery(self) -> Delivery | None: ...


# By an instance_id: what goes along with a message or an invocation about it.
Carrier = Callable[[str], Mapping[str, str]]


class Span(Protocol):
    """A span that runs."""

    def failed(self, type: str, message: str, traceback: str | None) -> None:
        """It ended in an error; the texts hold no secrets any more."""


class Tracer(Protocol):
    """The spans of the service. Each is the current one while its block runs; an exception marks it as failed."""

    def invocation(self, current: Invocation) -> AbstractContextManager[None]:
        """A part of every invocation: what an HTTP request starts is linked to its client's span, and in the end all
        that has ended is handed over: the process may be frozen."""

    def submit(self, execution_id: str, *, again: bool) -> AbstractContextManager[Span]:
        """A workflow is stored; `again` by a repeated request."""

    def trigger(self, ref: Ref, *, again: bool) -> AbstractContextManager[Span]:
        """An instance is created, and its roots sent; `again` by a repeated request."""

    def schedule(self, instance_id: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        """The scheduler function sends what a completion made ready."""

    def node(self, attempt: Attempt) -> AbstractContextManager[Span]:
        """An attempt of a node."""

    def carrier(self, instance_id: str) -> Mapping[str, str]:
        """What goes along with a message or an invocation: W3C `traceparent`, or nothing."""

    def headers(self) -> Mapping[str, str]:
        """What goes along with a call to another service: the current span as `traceparent`, or nothing."""


class _Silent:
    """See Span."""

    def failed(self, type: str, message: str, traceback: str | None) -> None:
        return None


_NOTHING: AbstractContextManager[None] = nullcontext()
SILENT: Span = _Silent()
_SPAN: AbstractContextManager[Span] = nullcontext(SILENT)
_EMPTY: Mapping[str, str] = {}


def nothing(instance_id: str) -> Mapping[str, str]:
    """See Carrier."""
    return _EMPTY


class Off:
    """See Tracer."""

    def invocation(self, current: Invocation) -> AbstractContextManager[None]:
        return _NOTHING

    def submit(self, execution_id: str, *, again: bool) -> AbstractContextManager[Span]:
        return _SPAN

    def trigger(self, ref: Ref, *, again: bool) -> AbstractContextManager[Span]:
        return _SPAN

    def schedule(self, instance_id: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        return _SPAN

    def node(self, attempt: Attempt) -> AbstractContextManager[Span]:
        return _SPAN

    def carrier(self, instance_id: str) -> Mapping[str, str]:
        return _EMPTY

    def headers(self) -> Mapping[str, str]:
        return _EMPTY
