"""What goes around every invocation, by whichever entry point it came: a request id in the logs, metrics, traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of an entry point: the event as chalice has it, and the context that Lambda gave, None elsewhere."""

    event: Any
    context: Any

    @property
    def request_id(self) -> str:
        """Of a request API Gateway's, else Lambda's; empty elsewhere."""
        gateway = getattr(self.event, "context", None)  # that of a request; other events have Lambda's there
        given = gateway.get("requestId") if isinstance(gateway, dict) else None
        return str(given or getattr(self.context, "aws_request_id", ""))

    @property
    def messages(self) -> int:
        """How many messages of a queue it is about."""
        event: Any = getattr(self.event, "to_dict", dict)()
        return len(event.get("Records", ())) if isinstance(event, dict) else 0


Part = Callable[[Invocation], AbstractContextManager[object]]


def around(parts: Callable[[], Sequence[Part]]) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """A middleware of chalice, for events of every kind: what the parts do begins and ends with each invocation.

    The first part is the outermost. They are asked for when an invocation comes: importing the app makes none.
    """

    def middleware(event: Any, get_response: Callable[[Any], Any]) -> Any:
        # A request of HTTP has the context of API Gateway beside that of Lambda.
        context = getattr(event, "lambda_context" if hasattr(event, "lambda_context") else "context", None)
        invocation = Invocation(event, context)
        with ExitStack() as exits:
            for part in parts():
                exits.enter_context(part(invocation))
            return get_response(event)

    return middleware
