"""Applies a mutant to this process, which has already imported the project. It is a fork, and stays broken."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import redis

from chalicelib.store import scripts
from tests.mutation.mutant import LUA, ROOT, Mutant, read

# The types of values of modules, classes and defaults that may be exchanged.
PLAIN = (bool, int, float, str, bytes, tuple, frozenset, type(None), re.Pattern)


def put_in(mutant: Mutant) -> bool:
    """Apply it, and return whether it has an effect: not if its line was needed only when the project was imported."""
    return put_in_lua(mutant) if mutant.file.startswith(LUA) else put_in_python(mutant)


def put_in_lua(mutant: Mutant) -> bool:
    name, broken = _name(mutant.file), mutant.apply(read(mutant.file))
    folder_of_it, original = Path(mutant.file).parent.name, scripts.sources

    def sources(folder: Any) -> dict[str, str]:
        texts = original(folder)
        return {**texts, name: broken} if folder.name == folder_of_it else texts

    scripts.sources = sources
    for module in list(sys.modules.values()):  # tests use it by its name, and some have already read the texts
        if getattr(module, "sources", None) is original:
            module.sources = sources  # type: ignore[attr-defined]
        texts = getattr(module, "LIBRARY" if folder_of_it == "lib" else "SCRIPTS", None)
        if isinstance(texts, dict) and name in texts:
            texts[name] = broken
    return True


def lua_compiles(mutant: Mutant, client: redis.Redis) -> bool:
    folder = "lib/" if Path(mutant.file).parent.name == "lib" else ""
    made = scripts.Scripts(client, {f"{folder}{_name(mutant.file)}": mutant.apply(read(mutant.file))})
    try:
        for name in sorted(scripts_with(mutant.file))[:1]:
            client.script_load(made._source[name])
    except redis.exceptions.ResponseError:
        return False
    return True


def scripts_with(file: str) -> set[str]:
    """Return the transitions that contain something of this Lua file."""
    library, bodies = scripts.sources(scripts.LUA / "lib"), scripts.sources(scripts.LUA)
    if Path(file).parent.name != "lib":
        return {_name(file)}
    shared = library[_name(file)]
    return {name for name, text in bodies.items() if shared in scripts._shared(text, library)}


def _name(file: str) -> str:
    return Path(file).stem


def put_in_python(mutant: Mutant) -> bool:
    path, text = str(ROOT / mutant.file), read(mutant.file)
    module = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == path), None)
    if module is None:
        return False
    old, new = compile(text, path, "exec"), compile(mutant.apply(text), path, "exec")
    changed = {before: after for before, after in _pairs(old, new) if _differs(before, after)}
    done = False
    for found in gc.get_objects():
        if isinstance(found, FunctionType) and found.__code__.co_filename == path and found.__code__ in changed:
            try:
                found.__code__ = changed[found.__code__]
            except ValueError:  # it now closes over something else
                continue
            done = True
    if _differs(old, new, nested=False):
        done = _exchange_values(module, new) or done
    return done


def _pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield the code objects at the same place in both."""
    mine, others = _inner(old), _inner(new)
    for name, code in mine.items():
        if name in others:
            yield code, others[name]
            yield from _pairs(code, others[name])


def _inner(code: CodeType) -> dict[tuple[str, int], CodeType]:
    found: dict[tuple[str, int], CodeType] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            count = sum(name == constant.co_qualname for name, _ in found)
            found[constant.co_qualname, count] = constant
    return found


def _differs(old: CodeType, new: CodeType, *, nested: bool = True) -> bool:
    def plain(code: CodeType) -> list[object]:
        return [repr(c) for c in code.co_consts if not isinstance(c, CodeType)]

    if (old.co_code, old.co_names, plain(old)) != (new.co_code, new.co_names, plain(new)):
        return True
    mine, others = _inner(old), _inner(new)
    if mine.keys() != others.keys():
        return True
    classes = [
        name for name, code in mine.items() if "<" not in code.co_name and not code.co_flags & 0x1
    ]  # not a function
    return any(_differs(mine[name], others[name], nested=nested) for name in (mine if nested else classes))


def _exchange_values(module: ModuleType, code: CodeType) -> bool:
    """Exchange what the module assigns, its classes have, and its functions take by default, by running the mutant."""
    scratch: dict[str, Any] = {
        "__name__": module.__name__,
        "__file__": module.__file__,
        "__package__": module.__package__,
    }
    twin = ModuleType(module.__name__)
    twin.__dict__.update(scratch)
    real = sys.modules[module.__name__]
    sys.modules[module.__name__] = twin  # dataclasses look it up there
    try:
        exec(code, twin.__dict__)
    finally:
        sys.modules[module.__name__] = real
    return _exchange(module, twin, everywhere=True)


def _exchange(mine: Any, other: Any, *, everywhere: bool = False) -> bool:
    done = False
    for name, new in list(vars(other).items()):
        old = vars(mine).get(name)
        if isinstance(old, PLAIN) and isinstance(new, PLAIN) and not name.startswith("__") and repr(old) != repr(new):
            places = [m for m in list(sys.modules.values()) if vars(m).get(name) is old] if everywhere else []
            for place in [mine, *places]:
                setattr(place, name, new)
            done = True
        elif isinstance(old, dict) and isinstance(new, dict) and not name.startswith("__") and _is_plain(old, new):
            old.clear()
            old.update(new)
            done = True
        elif isinstance(old, type) and isinstance(new, type) and old.__module__ == new.__module__:
            done = _exchange(old, new) or done
        elif isinstance(old, FunctionType) and isinstance(new, FunctionType):
            for defaults in ("__defaults__", "__kwdefaults__"):
                if repr(getattr(old, defaults)) != repr(getattr(new, defaults)):
                    setattr(old, defaults, getattr(new, defaults))
                    done = True
    return done


def _is_plain(old: dict[Any, Any], new: dict[Any, Any]) -> bool:
    return repr(old) != repr(new) and all(isinstance(value, PLAIN) for value in (*old.values(), *new.values()))
