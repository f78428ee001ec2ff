"""The Lua transitions: loads them, each with the shared `lib`, and runs them by their hash."""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any

import redis

LUA = importlib.resources.files("chalicelib.store") / "lua"


class Scripts:
    """Every `NN_name.lua` by its name. `overrides` replaces files, of `lib` too: a virtual clock, broken lines."""

    def __init__(self, client: Any, overrides: Mapping[str, str] | None = None) -> None:
        self._client = client
        library, bodies = sources(LUA / "lib"), sources(LUA)
        for name, text in (overrides or {}).items():
            (library if name in library else bodies)[name] = text
        shared = "\n".join(library[name] for name in sorted(library))
        self._source = {name.split("_", 1)[1]: f"{shared}\n{body}" for name, body in bodies.items()}
        self._hash = {
            name: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            for name, source in self._source.items()
        }

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """EVALSHA; EVAL where the server has not seen the script yet (a restart, a failover, a new cluster node)."""
        try:
            return self._client.evalsha(self._hash[name], len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return self._client.eval(self._source[name], len(keys), *keys, *arguments)


def sources(folder: Any) -> dict[str, str]:
    """The `.lua` files of a folder: name without the ending -> text."""
    return {item.name[:-4]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".lua")}
