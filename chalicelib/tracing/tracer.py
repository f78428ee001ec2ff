"""The spans that the service reports to a tracer. The default is `Off`, whose calls do nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chalicelib.core.plan import Plan
    from chalicelib.core.work import Ref
    from chalicelib.invocation import Invocation


class Delivery(Protocol):
    """The message that brought a node to its worker. `waited_ms`: how long the node had been ready, if known."""

    @property
    def message_id(self) -> str: ...
    @property
    def carrier(self) -> Mapping[str, str]: ...
    @property
    def waited_ms(self) -> int | None: ...


class Attempt(Protocol):
    """An attempt of a node in a worker. `hop`: the worker runs it after its parent, and no message brought it."""

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


# From an instance_id to the trace context that is sent with a message or an invocation.
Carrier = Callable[[str], Mapping[str, str]]


class Span(Protocol):
    """A span that has not ended."""

    def failed(self, type: str, message: str, traceback: str | None) -> None:
        """Record that it ends in an error. The texts must not hold secrets."""


class Tracer(Protocol):
    """Makes the spans of the service. Each is the current span in its block; an exception marks it as failed."""

    def invocation(self, current: Invocation) -> AbstractContextManager[None]:
        """A part of the middleware (invocation.Part). It links the spans of an HTTP request to the client's span.

        At the end it exports all ended spans, since the process may be frozen then.
        """

    def submit(self, execution_id: str, *, again: bool) -> AbstractContextManager[Span]:
        """A workflow is stored; `again`: by a repeated request."""

    def trigger(self, ref: Ref, *, again: bool) -> AbstractContextManager[Span]:
        """An instance is created, and its roots are sent; `again`: by a repeated request."""

    def schedule(self, instance_id: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        """The scheduler function sends what a completion made ready."""

    def node(self, attempt: Attempt) -> AbstractContextManager[Span]:
        """An attempt of a node."""

    def carrier(self, instance_id: str) -> Mapping[str, str]:
        """The context that is sent with a message or an invocation: W3C `traceparent`, or nothing."""

    def headers(self) -> Mapping[str, str]:
        """The headers of a call to another service: the current span as `traceparent`, or none."""


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
