"""Each transition is one Lua file whose header is its contract: the headers are held against the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from chalicelib.protocols import Outcome
from chalicelib.store import keys, redis_store
from chalicelib.store.scripts import LUA, sources

SCRIPTS = sources(LUA)
ROOT = Path(__file__).parents[2]
KEYS = ["META", "NODES", "WAITS", "RESULTS", "ERRORS", "DUE", "DONE", "HISTORY", "ARCHIVE", "INDEX", "LIST"]

# All others are transitions of an instance.
OF_WORKFLOWS = {"17_latest"}


def test_the_keys_of_an_instance_are_as_many_as_the_headers_name() -> None:
    assert len(keys.instance("in-" + "0" * 30)) == len(KEYS)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_header_names_keys_arguments_and_outcomes(name: str) -> None:
    body = SCRIPTS[name]
    number, word = name.split("_", 1)
    assert body.startswith(f"-- {number} {word}: ")
    header = body[: body.index("\n\n") if "\n\n" in body else len(body)]
    header = "\n".join(line for line in body.splitlines() if line.startswith("--"))
    declared = re.search(r"^-- KEYS: (.*)$", header, re.M)
    assert declared and declared[1].split() == (["WORKFLOW"] if name in OF_WORKFLOWS else KEYS)
    assert re.search(r"^-- ARGV: instance_id", header, re.M)
    assert re.search(r"^-- Returns: ", header, re.M)
    for outcome in re.findall(r"\b[A-Z]{4,}\b", header[header.index("Returns:") :]):
        known = {o.value for o in Outcome} | {"SEND", "ALONE", "UNBLOCK", "SKIP", *KEYS}
        known |= {"COMPLETED", "FAILED", "CANCELLED", "RUNNING"}
        assert outcome in known, f"{name}: {outcome} is not an Outcome"


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_every_argument_of_the_header_is_used(name: str) -> None:
    body = "\n".join(line for line in SCRIPTS[name].splitlines() if not line.startswith("--"))
    header = re.search(r"^-- ARGV: ([a-z_ ]+)", SCRIPTS[name], re.M)
    assert header
    for position in range(1, len(header[1].split()) + 1):
        if word_of(header[1], position) == "instance_id":
            continue
        assert f"ARGV[{position}]" in body, f"{name}: ARGV[{position}] ({word_of(header[1], position)}) is not read"


def word_of(header: str, position: int) -> str:
    return header.split()[position - 1]


def test_every_script_has_one_python_method_and_none_is_missing() -> None:
    source = inspect.getsource(redis_store)
    called = set(re.findall(r"(?:_|_scripts\.)run\(\s*\"([a-z_]+)\"", source))
    assert called == {name.split("_", 1)[1] for name in SCRIPTS}


def test_edges_are_those_of_the_diagram() -> None:
    in_lua: set[str] = set()
    for body in SCRIPTS.values():
        if found := re.search(r"^-- Edges: (.*)$", body, re.M):
            in_lua |= set(re.findall(r"\b([a-z])\b(?= |,|$)", re.sub(r"\([^)]*\)", "", found[1])))
    table = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    in_diagram = set(re.findall(r"^\| ([a-z]) \|", table, re.M))
    assert in_lua == in_diagram
