"""A handler as the engine knows it: a function with the name that workflows call it by, and a model of its config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function with the name that workflows call it by.

    `function` takes `(config)` or `(config, context)`, and is an ordinary or an `async` function. `instant` marks one
    that neither waits nor computes: the worker calls it in place, without a thread of its own. `waits` marks one that
    waits for something else and hardly computes: a worker runs many of those at once. None: its calls are measured.
    """

    name: str
    config: type[BaseModel]
    function: Callable[..., Any]
    wants_context: bool
    is_async: bool
    instant: bool = False
    waits: bool | None = None
    summary: str = field(default="")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)
