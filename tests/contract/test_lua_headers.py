"""Each transition is one Lua file whose header is its contract. The headers are compared with the declarations."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from chalicelib.core.transitions import KEYS, TRANSITIONS, Kind, Outcome, Transition
from chalicelib.store import keys
from chalicelib.store.protocol import Store
from chalicelib.store.redis_store import RedisStore
from chalicelib.store.scripts import LUA, sources, uses

SCRIPTS = sources(LUA)
LIBRARY = sources(LUA / "lib")
ROOT = Path(__file__).parents[2]
# The words in capitals besides outcomes in a header's `Returns`: what take_due hands out, statuses, and keys.
OTHER_WORDS = {"SEND", "ALONE", "UNBLOCK", "SKIP", "COMPLETED", "FAILED", "CANCELLED", "RUNNING", *KEYS}


def test_the_keys_of_an_instance_are_as_many_as_the_headers_name() -> None:
    assert len(keys.instance("in-" + "0" * 30)) == len(KEYS)


def header(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("--"))


def code(text: str) -> str:
    """Return the text without comments and without what is in quotes."""
    return re.sub(r"'[^'\n]*'", "''", re.sub(r"--.*", "", text))


def defined(text: str) -> set[str]:
    found = re.findall(r"^local (?:function )?(\w+(?:, \w+)*)", text, re.M)
    return {word for words in found for word in words.split(", ")}


def test_every_transition_is_one_file_and_one_method() -> None:
    assert set(SCRIPTS) == set(TRANSITIONS)
    methods = "".join(inspect.getsource(part) for part in RedisStore.__mro__[:-1])
    assert set(re.findall(r"_(?:run|call)\(\s*\"([a-z_]+)\"", methods)) == set(TRANSITIONS)
    assert set(TRANSITIONS) - {"read"} <= {name for name, _ in inspect.getmembers(Store, inspect.isfunction)}


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_the_header_says_what_is_declared(transition: Transition) -> None:
    contract = header(SCRIPTS[transition.name])
    assert contract.startswith(f"-- {transition.name}: ")
    named = re.search(r"^-- KEYS: (.*)$", contract, re.M)
    assert named and tuple(named[1].split()) == transition.keys
    arguments = re.search(r"^-- Arguments: (.*?)(?:, then (.*))?$", contract, re.M)
    assert arguments and arguments[1].split() == (list(transition.arguments) or ["none"])
    assert bool(arguments[2]) is bool(transition.rest)
    edges = re.search(r"^-- Edges: ((?:.*\n--   )*.*)$", contract, re.M)
    assert set(transition.edges) == set(_letters(edges[1]) if edges else "")


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_the_header_names_every_outcome_and_no_other(transition: Transition) -> None:
    contract = header(SCRIPTS[transition.name])
    words = set(re.findall(r"\b[A-Z]{4,}\b", contract[contract.index("Returns:") :]))
    assert words & set(Outcome) >= set(transition.outcomes)
    assert words - OTHER_WORDS <= set(transition.outcomes)


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_every_argument_is_read_by_its_name(transition: Transition) -> None:
    body = code(SCRIPTS[transition.name])
    for name in transition.arguments:
        assert re.search(rf"\b{name}\b", body), f"{transition.name} does not read {name}"
    assert not re.search(r"ARGV\[\d", body), "an argument is read by its number"
    assert ("REST" in body) is bool(transition.rest)


@pytest.mark.parametrize("name", [*SCRIPTS, *(f"lib/{name}" for name in LIBRARY)])
def test_what_a_file_uses_is_what_it_says_that_it_uses(name: str) -> None:
    text = LIBRARY[name.removeprefix("lib/")] if name.startswith("lib/") else SCRIPTS[name]
    body, own = code(text), set(re.findall(r"\blocal (?:function )?(\w+)", code(text)))
    used = {
        file: {word for word in defined(shared) - own if re.search(rf"(?<![.\w]){word}\b", body)}
        for file, shared in LIBRARY.items()
        if f"lib/{file}" != name
    }
    own |= set(TRANSITIONS[name].arguments) if name in TRANSITIONS else set()
    assert {file: set(words) for file, words in uses(text).items()} == {
        file: words - own for file, words in used.items() if words - own
    }


def test_the_prelude_names_what_the_encoding_sends() -> None:
    made = Transition(
        name="x",
        arguments={"a": Kind.TEXT, "b": Kind.NUMBER, "c": Kind.FLAG, "d": Kind.JSON},
        rest="more",
        commands=(1, 0),
    )
    assert made.prelude == (
        "local id, a, b, c, d, REST = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', cjson.decode(ARGV[5]), 6"
    )
    sent = made.encode("in-1", {"d": {"k": [1]}, "c": True, "b": 7, "a": b"text"}, ["x", 2])
    assert sent == ("in-1", b"text", 7, 1, '{"k": [1]}', "x", 2)


def test_edges_are_those_of_the_diagram_and_of_the_table() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z]) \| ([a-z, ]+) → (\w+) \| .* \| ([`a-z_ ]+) \|$", page, re.M)
    in_table = {(edge, start, end) for edge, starts, end, _ in rows for start in starts.split(", ")}
    diagram = page.split("```mermaid\n")[1].split("```")[0]
    arrows = re.findall(r"^ +(\w+) --> (\w+) : (.+)$", diagram, re.M)
    assert {(edge, start, end) for start, end, edges in arrows for edge in edges.split(", ")} == in_table
    in_scripts = {(edge, name) for name, transition in TRANSITIONS.items() for edge in transition.edges}
    assert {(edge, name) for edge, *_, scripts in rows for name in re.findall(r"\w+", scripts)} == in_scripts


def _letters(text: str) -> list[str]:
    return re.findall(r"\b([a-z])\b(?= |,|$)", re.sub(r"\([^)]*\)", "", text))
