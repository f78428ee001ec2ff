"""The letters of states are the same in Python and in Lua."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.states import InstanceStatus, NodeState, NodeStatus
from chalicelib.store.scripts import LUA, sources

ROOT = Path(__file__).parents[2]
LIBRARY, SCRIPTS = sources(LUA / "lib"), sources(LUA)
RECORD = LIBRARY["record"]


def test_the_header_of_the_record_names_every_letter() -> None:
    legend = RECORD[RECORD.index("-- status ") : RECORD.index("-- attempt ")]
    named = re.findall(r"\b([A-Z]) ([a-z]+)", legend)
    assert [letter for letter, _ in named] == [state.value for state in NodeState]
    words = {state.value: "failed" if state is NodeState.IGNORED else state.name.lower() for state in NodeState}
    assert dict(named) == words


@pytest.mark.parametrize("name", [*SCRIPTS, *(f"lib/{name}" for name in LIBRARY)])
def test_lua_knows_no_letter_but_these(name: str) -> None:
    text = LIBRARY[name.removeprefix("lib/")] if name.startswith("lib/") else SCRIPTS[name]
    compared = set(re.findall(r"(?:status|record\.status) [~=]= '(\w)'", text))
    written = set(re.findall(r"record\.status(?:, [\w.]+)* = '(\w)'", text)) | set(re.findall(r"'([A-Z]):", text))
    assert compared | written <= {state.value for state in NodeState}


def test_lua_puts_instances_into_the_list_by_the_same_letters() -> None:
    place = LIBRARY["instance"]
    assert "return (status == 'CANCELLED' and 'X' or string.sub(status, 1, 1)) .. id" in place
    assert {status: status.letter for status in InstanceStatus} == {
        status: "X" if status == "CANCELLED" else status[0] for status in InstanceStatus
    }
    removed = re.search(r"redis\.call\('ZREM', LIST, (.*)\)", LIBRARY["ending"])
    assert removed and set(re.findall(r"'(\w)' \.\. id", removed[1])) == {status.letter for status in InstanceStatus}


def test_every_member_has_a_sentence() -> None:
    text = (ROOT / "chalicelib" / "states.py").read_text("utf-8")
    for kind in (NodeState, NodeStatus, InstanceStatus):
        for member in kind:
            assert re.search(rf'    {member.name} = "{member.value}"  # [A-Z].*[.)]$', text, re.M), member
