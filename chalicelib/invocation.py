"""The middleware around every invocation of any entry point: it carries the request id, metrics and traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of an entry point: chalice's event, and Lambda's context, which is None outside Lambda."""

    event: Any
    context: Any

    @property
    def request_id(self) -> str:
        """API Gateway's id of an HTTP request, else Lambda's id; empty outside both."""
        gateway = getattr(self.event, "context", None)  # API Gateway's; other events have Lambda's context there
        id = gateway.get("requestId") if isinstance(gateway, dict) else None
        return str(id or getattr(self.context, "aws_request_id", ""))

    @property
    def messages(self) -> int:
        """The number of queue messages in the event."""
        event: Any = getattr(self.event, "to_dict", dict)()
        return len(event.get("Records", ())) if isinstance(event, dict) else 0


Part = Callable[[Invocation], AbstractContextManager[object]]


def around(parts: Callable[[], Sequence[Part]]) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """A middleware of chalice, for events of every kind, that enters the parts for the time of each invocation.

    The first part is the outermost. `parts` is called by each invocation, so that importing the app makes none.
    """

    def middleware(event: Any, get_response: Callable[[Any], Any]) -> Any:
        # An HTTP request has two contexts: Lambda's is `lambda_context`, and API Gateway's is `context`.
        context = getattr(event, "lambda_context" if hasattr(event, "lambda_context") else "context", None)
        invocation = Invocation(event, context)
        with ExitStack() as exits:
            for part in parts():
                exits.enter_context(part(invocation))
            return get_response(event)

    return middleware
