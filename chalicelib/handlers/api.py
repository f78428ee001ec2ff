"""What a handler is made of: a decorated function, a pydantic model for its config, and the context it receives."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict

from chalicelib import node_ids
from chalicelib.core.handler import Handler

F = TypeVar("F", bound=Callable[..., Any])


class Config(BaseModel):
    """The base of a handler's config. It refuses unknown fields, so a typo in a workflow is found on submission."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler may know about the node that it runs for.

    `attempt` and `epoch` count from 1; each rerun of the instance begins a new epoch. `idempotency_key` is the same for
    every attempt of this node in this epoch: pass it to every call that must not take effect twice. `time_left()` is in
    seconds. `results` maps the ids of the node's dependencies to their results. `trace_headers` are the headers that
    make another service's spans join the trace: W3C `traceparent` while TRACING is on, else none.
    """

    instance_id: str
    execution_id: str
    node_id: str
    attempt: int
    epoch: int = 1
    params: Mapping[str, Any]
    results: Mapping[str, Any]
    time_left: Callable[[], float]
    logger: logging.LoggerAdapter[logging.Logger] | logging.Logger
    wanted: Callable[[], bool] = lambda: True
    trace_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        # It is sent in headers, which take ASCII only, and services limit its length.
        return f"{self.instance_id}/{node_ids.plain(self.node_id)}" + (f"/{self.epoch}" if self.epoch > 1 else "")

    @property
    def cancelled(self) -> bool:
        """True once the result would be refused: the instance was cancelled or has ended, or another attempt has
        replaced this one. It becomes true within a third of LEASE_SECONDS."""
        return not self.wanted()


def handler(name: str, *, instant: bool = False, waits: bool | None = None) -> Callable[[Callable[..., Any]], Handler]:
    """Make a function a handler. The annotation of its first parameter, a pydantic model, is the handler's config.

    `waits`: whether its calls wait for something else (a service, a model) and hardly compute. A worker runs hundreds
    of those at once, and only a few that compute. An async function waits unless it says otherwise; an ordinary one
    counts as what its first calls were. `instant`: it does neither, and is called in place.

    The decorator registers nothing: the registry looks for `Handler` values in the modules that it loads.
    """

    def decorate(function: Callable[..., Any]) -> Handler:
        parameters = list(inspect.signature(function).parameters)
        if not 1 <= len(parameters) <= 2:
            raise TypeError(f"handler '{name}': the function must take (config) or (config, context)")
        hints = get_type_hints(function)
        model = hints.get(parameters[0])
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"handler '{name}': annotate the parameter '{parameters[0]}' with a pydantic model")
        is_async = inspect.iscoroutinefunction(function)
        return Handler(
            name=name,
            config=model,
            function=function,
            wants_context=len(parameters) == 2,
            is_async=is_async,
            instant=instant,
            waits=True if waits is None and is_async else waits,
            summary=(inspect.getdoc(function) or "").split("\n", 1)[0],
        )

    return decorate
