"""Handlers: what nodes do. Write your own with `@handler("name")`; see docs/handlers.md."""

from chalicelib.core.handler import Handler
from chalicelib.errors import DoNotRetry
from chalicelib.handlers.api import Config, Context, handler

__all__ = ["Config", "Context", "DoNotRetry", "Handler", "handler"]
