"""Loads the Lua transitions, each with what it uses of the shared `lib`, and runs them by their hash."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from chalicelib.core.transitions import TRANSITIONS

LUA = importlib.resources.files("chalicelib.store") / "lua"
_USES = re.compile(r"^-- Uses: (.*(?:\n--   .*)*)", re.M)


class Scripts:
    """The text of each transition: its keys, what it uses of `lib`, its arguments, and its own file.

    `overrides` replaces files, those of `lib` as `lib/NAME`: tests put in a virtual clock, and broken lines.
    """

    def __init__(self, client: Any, overrides: Mapping[str, str] | None = None) -> None:
        self._client = client
        library, bodies = sources(LUA / "lib"), sources(LUA)
        for name, text in (overrides or {}).items():
            folder, _, file = name.rpartition("/")
            (library if folder else bodies)[file] = text
        self._source = {
            name: "\n".join(
                [_named(transition.keys), *_shared(bodies[name], library), transition.prelude, bodies[name]]
            )
            for name, transition in TRANSITIONS.items()
        }
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


def _named(keys: Sequence[str]) -> str:
    """The Lua that names KEYS; the shared files use these names, too."""
    return f"local {', '.join(keys)} = unpack(KEYS)"


def _shared(body: str, library: Mapping[str, str]) -> list[str]:
    """The shared files that a text names in its line `Uses`, and that these name, each after those that it uses.

    A script gets no more of them than it needs, since each definition costs time in every call.
    """
    needed: dict[str, str] = {}

    def need(text: str, path: list[str]) -> None:
        for name in uses(text):
            if name in path:
                cycle = " -> ".join([*path[path.index(name) :], name])
                raise ValueError(f"shared Lua files use each other in a cycle: {cycle}")
            if name not in needed:
                need(library[name], [*path, name])
                needed[name] = library[name]

    need(body, [])
    return list(needed.values())


def uses(text: str) -> dict[str, list[str]]:
    """The line `Uses: open, save (instance); read (record)` of a Lua file, as {file of `lib`: names from it}."""
    found = _USES.search(text)
    if found is None:
        return {}
    line = re.sub(r"\n--\s*", " ", found[1])
    return {file: words.split(", ") for words, file in re.findall(r"(\w[\w, ]*) \((\w+)\)", line)}


def sources(folder: Any) -> dict[str, str]:
    """The `.lua` files of a folder: name without the ending -> text."""
    return {item.name[:-4]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".lua")}
