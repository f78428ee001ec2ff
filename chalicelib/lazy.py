"""Packages that others import at once and this service may never use: they are loaded when somebody looks into them."""

from __future__ import annotations

import importlib
import sys
import types
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any


def postpone(name: str) -> None:
    """Let `import package.name` cost nothing until the first look at what its `__init__` defines.

    Its submodules are imported as ever, each by itself. (importlib.util.LazyLoader would load it at its second import:
    the interpreter looks at `__spec__`.)
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
