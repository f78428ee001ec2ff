"""Ids from other engines work in everything that names a node: URLs, templates, files, the command line."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from chalicelib import node_ids
from cli.main import app
from tests.support.stack import RunningStack

DOTTED = "NFCORE_RNASEQ.PREPARE_GENOME.GTF"
ODD = "100% of a/b? #1 = ü & \\n so on"
# It contains an escape itself, so decoding it twice would name another node.
TWIN = "a%2Fb"
PAGES = "../Seiten 1/2"


def shown(id: str, after: str, value: Any) -> dict[str, Any]:
    return {"id": id, "handler": "output", "dependencies": [after], "config": {"value": value}}


NODES: list[dict[str, Any]] = [
    {"id": DOTTED, "handler": "input", "config": {"odd key": [1, {"n": 9007199254740993}]}},
    shown(ODD, DOTTED, f'{{{{ ["{DOTTED}"]["odd key"].1.n }}}}'),
    shown(TWIN, ODD, f"{{{{ [{json.dumps(ODD)}] }}}} twin"),
    shown("a/b", ODD, "the other"),
    shown(PAGES, DOTTED, ["x" * 1000] * 300),
]


def ask(stack: RunningStack, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{stack.url}/api/{path}", data)) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def instance_id(stack: RunningStack) -> str:
    submitted = ask(stack, "workflow", {"name": "Brought along", "dag": {"nodes": NODES}})
    started = ask(stack, f"workflow/trigger/{submitted['execution_id']}", {})["instance_id"]
    status = ask(stack, f"workflows/{started}?wait=20")
    assert status["status"] == "COMPLETED", status
    return str(started)


def test_over_http(stack: RunningStack, instance_id: str) -> None:
    results = ask(stack, f"workflows/{instance_id}/results")["results"]
    assert results[ODD] == 9007199254740993 and results[TWIN] == "9007199254740993 twin"
    for node in NODES:
        alone = ask(stack, f"workflows/{instance_id}/results/{quote(node['id'], safe='')}")
        assert alone == results[node["id"]], node["id"]
        history = ask(stack, f"workflows/{instance_id}/history?node={quote(node['id'], safe='')}")
        assert "completed" in history["why"][node["id"]]
    rerun = ask(stack, f"workflows/{instance_id}/rerun", {"from": [ODD]})
    assert rerun["epoch"] == 2
    status = ask(stack, f"workflows/{instance_id}?wait=20")
    assert {id: one["attempt"] for id, one in status["nodes"].items()} == {
        DOTTED: 1,
        ODD: 2,
        TWIN: 2,
        "a/b": 2,
        PAGES: 1,
    }


def test_a_large_result_of_one_is_kept_and_found(stack: RunningStack, instance_id: str) -> None:
    assert ask(stack, f"workflows/{instance_id}/results/{quote(PAGES, safe='')}") == ["x" * 1000] * 300
    values = stack.log.parent / "values" / instance_id[-2:] / instance_id
    [kept] = [path for path in values.rglob("*") if path.is_file()]
    assert kept.parent == values / node_ids.plain(PAGES)


def test_by_dag(stack: RunningStack, instance_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAG_URL", stack.url)

    def dag(*words: str) -> str:
        return CliRunner().invoke(app, list(words), catch_exceptions=False).stdout

    assert dag("results", instance_id, "--node", ODD).strip() == "9007199254740993"
    assert "completed at attempt" in dag("history", instance_id, "--node", TWIN)
    assert f'{json.dumps(ODD, ensure_ascii=False)} -> "{TWIN}"' in dag("graph", instance_id, "--format", "dot")
    execution_id = ask(stack, f"workflows/{instance_id}")["execution_id"]
    planned = json.loads(dag("plan", execution_id, "--duration", f"{ODD}=2.5", "--json"))
    assert planned["durations"]["given"] == 1
