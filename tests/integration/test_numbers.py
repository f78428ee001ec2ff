"""Numbers are returned as they were given, through submission, params, templates, results, and `dag`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.failures import Exit
from cli.main import app
from tests.support.stack import RunningStack

# As Python writes them: a float has every digit that distinguishes it from its neighbours.
NUMBERS = (
    *("9007199254740993", "-9007199254740993", "123456789012345678901234567890", "10000000000000000", "0", "1"),
    *("1.0", "-0.0", "0.1", "1e+22", "5e-324", "1.7976931348623157e+308", "100000000000000.12"),
)


@pytest.fixture(autouse=True)
def settings(stack: RunningStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAG_URL", stack.url)
    monkeypatch.setenv("DAG_CONFIG", str(tmp_path / "config.toml"))


def dag(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=stdin, catch_exceptions=False)


def compact(text: str) -> str:
    """Return the text without its spaces, so that no number passes through a parser of the test."""
    return "".join(text.split())


def workflow(value: Any) -> str:
    nodes = [
        {"id": "first", "handler": "input", "config": {"value": value}},
        {"id": "last", "handler": "output", "dependencies": ["first"], "config": {"value": "{{ first.value }}"}},
    ]
    return json.dumps({"name": "Numbers", "dag": {"nodes": nodes}})


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_comes_back_as_it_was_given(number: str, tmp_path: Path) -> None:
    definition = workflow(["{{ params.one }}", "{{ params.all }}", "at {{ params.one }}", "LITERAL"])
    definition = definition.replace('"LITERAL"', number)
    file = tmp_path / "params.json"
    file.write_text(f'{{"all": [{number}, {{"n": {number}}}]}}')
    done = dag("run", "-", "-w", "-p", f"one={number}", "--params", str(file), stdin=definition)
    assert done.exit_code == Exit.OK, done.stderr
    wanted = f'[{number},[{number},{{"n":{number}}}],"at{number}",{number}]'
    assert compact(done.stdout) == wanted

    [one] = json.loads(dag("list", "-n", "1", "--json").stdout)["instances"]
    again = dag("rerun", one["instance_id"], "-w", "--params", str(file), "-p", f"one={number}")
    assert again.exit_code == Exit.OK and compact(again.stdout) == wanted
    assert compact(dag("results", one["instance_id"], "--node", "last").stdout) == wanted


@pytest.mark.parametrize(("given", "came"), [("1e22", "1e+22"), ("1E+2", "100.0"), ("1e-400", "0.0"), ("-0", "0")])
def test_other_words_for_a_number_are_the_same_number(given: str, came: str) -> None:
    definition = workflow(["{{ params.one }}", "LITERAL"]).replace('"LITERAL"', given)
    done = dag("run", "-", "-w", "-p", f"one={given}", stdin=definition)
    assert done.exit_code == Exit.OK and compact(done.stdout) == f"[{came},{came}]"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "nan", "01", "+1", ".5", "1_000"])
def test_what_is_no_number_in_json_is_text(text: str) -> None:
    done = dag("run", "-", "-w", "-p", f"one={text}", stdin=workflow("{{ params.one }}"))
    assert done.exit_code == Exit.OK and json.loads(done.stdout) == text


@pytest.mark.parametrize("number", ["1E400", "-1e400"])
def test_a_number_out_of_range_is_refused_by_its_name(number: str, tmp_path: Path) -> None:
    given = dag("run", "-", "-p", f"one={number}", stdin=workflow("{{ params.one }}"))
    assert given.exit_code == Exit.INVALID and f"the number {number} is out of range" in given.stderr
    file = tmp_path / "params.json"
    file.write_text(f'{{\n"one": {number}}}')
    given = dag("run", "-", "--params", str(file), stdin=workflow("{{ params.one }}"))
    assert given.exit_code == Exit.INVALID and f"the number {number} is out of range" in given.stderr
    given = dag("submit", "-", stdin=workflow("LITERAL").replace('"LITERAL"', number))
    assert given.exit_code == Exit.INVALID and "line 1, /dag/nodes/0/config/value the number is out" in given.stderr


def test_params_in_a_file_are_json_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "params.json"
    file.write_text('{\n"one": NaN}')
    given = dag("run", "-", "--params", str(file), stdin=workflow("{{ params.one }}"))
    assert given.exit_code == Exit.INVALID and "NaN" in given.stderr and "is not JSON" in given.stderr
