"""What a handler is: a decorated function, a pydantic model for its config, and the context it is given."""

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
    """Base of a handler's config: unknown fields are refused, so a slip in a workflow is found on submission."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler may know about the node that it runs for.

    `attempt` counts from 1, `epoch` from 1, by one with each rerun of the instance. `idempotency_key` is the same for
    every attempt of this node in this epoch: hand it to whatever must not happen twice. `time_left()` is in seconds.
    `results` maps the ids of the node's dependencies to their results. `trace_headers` is what a call to another
    service carries, so that its spans join: W3C `traceparent` while TRACING is on, else nothing.
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
        # It goes into headers, which take ASCII only, and services limit its length.
        return f"{self.instance_id}/{node_ids.plain(self.node_id)}" + (f"/{self.epoch}" if self.epoch > 1 else "")

    @property
    def cancelled(self) -> bool:
        """True once nobody wants the result any more: the instance was cancelled, or has ended, or another attempt took
        this one's place. Known within a third of LEASE_SECONDS; whatever is returned then is refused."""
        return not self.wanted()


def handler(name: str, *, instant: bool = False) -> Callable[[Callable[..., Any]], Handler]:
    """Make a handler of a function. Its first parameter must be annotated with a pydantic model: that is its config.

    Nothing is registered anywhere: the registry looks for `Handler` values in the modules it is told to load.
    """

    def decorate(function: Callable[..., Any]) -> Handler:
        parameters = list(inspect.signature(function).parameters)
        if not 1 <= len(parameters) <= 2:
            raise TypeError(f"handler '{name}': the function must take (config) or (config, context)")
        hints = get_type_hints(function)
        model = hints.get(parameters[0])
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"handler '{name}': annotate the parameter '{parameters[0]}' with a pydantic model")
        return Handler(
            name=name,
            config=model,
            function=function,
            wants_context=len(parameters) == 2,
            is_async=inspect.iscoroutinefunction(function),
            instant=instant,
            summary=(inspect.getdoc(function) or "").split("\n", 1)[0],
        )

    return decorate
