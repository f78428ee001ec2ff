"""The Lua transitions: loads them, each with the shared `lib`, and runs them by their hash."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from typing import Any

import redis

LUA = importlib.resources.files("chalicelib.store") / "lua"


class Scripts:
    """Every `NN_name.lua` by its name, each with what it uses of `lib`.

    `overrides` replaces files, of `lib` too: a virtual clock, broken lines.
    """

    def __init__(self, client: Any, overrides: Mapping[str, str] | None = None) -> None:
        self._client = client
        library, bodies = sources(LUA / "lib"), sources(LUA)
        for name, text in (overrides or {}).items():
            (library if name in library else bodies)[name] = text
        self._source = {name.split("_", 1)[1]: _with_shared(body, library) for name, body in bodies.items()}
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


def _with_shared(body: str, library: Mapping[str, str]) -> str:
    """The body behind the shared files that it uses, and that these use: what a script defines costs each call."""
    needed: list[str] = []
    for name in sorted(library, reverse=True):  # a file uses those before it
        text = "\n".join([body, *(library[one] for one in needed)])
        if any(re.search(rf"\b{word}\b", text) for word in _defined(library[name])):
            needed.insert(0, name)
    return "\n".join([*(library[name] for name in needed), body])


def _defined(text: str) -> list[str]:
    found = re.findall(r"^local (?:function )?(\w+(?:, \w+)*)", text, re.M)
    return [word for words in found for word in words.split(", ")]


def sources(folder: Any) -> dict[str, str]:
    """The `.lua` files of a folder: name without the ending -> text."""
    return {item.name[:-4]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".lua")}
