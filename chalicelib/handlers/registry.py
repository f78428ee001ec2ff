"""Finds handlers: the built-in ones, and those in the modules that a setting names. Keeps no state."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from chalicelib.handlers import flow
from chalicelib.handlers.api import Handler
from chalicelib.settings import Settings


def registry(settings: Settings) -> dict[str, Handler]:
    found: dict[str, Handler] = {h.name: h for h in (flow.input_, flow.output, flow.noop)}
    for module in settings.handler_module_names:
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, Handler):
                found[value.name] = value
    return found
