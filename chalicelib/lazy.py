"""Delays the import of a package that a dependency imports at once, but that this service may never use."""

from __future__ import annotations

import importlib
import sys
import types
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any


def postpone(name: str) -> None:
    """Let `import package.name` cost nothing until an attribute that its `__init__` defines is first read.

    Its submodules are imported as usual, each by itself. (importlib.util.LazyLoader would load the package at its
    second import, since the interpreter reads `__spec__`.)
    """
    parent = find_spec(name.rpartition(".")[0])
    spec = PathFinder.find_spec(name, parent.submodule_search_locations) if parent else None
    if name in sys.modules or spec is None:
        return
    module = types.ModuleType(name)
    module.__path__ = list(spec.submodule_search_locations or ())

    def load(attribute: str) -> Any:
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    module.__getattr__ = load  # type: ignore[method-assign]  # PEP 562
    sys.modules[name] = module
