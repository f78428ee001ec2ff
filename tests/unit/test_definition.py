"""Every fault of a submission has its pointer; all are reported at once, in linear time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import Field, model_validator

from chalicelib.core import definition
from chalicelib.errors import InvalidDocument
from chalicelib.handlers.api import Config, handler
from chalicelib.handlers.flow import noop
from chalicelib.handlers.http_call import HttpCall


class Typed(Config):
    number: int = Field(0, ge=0)
    inner: dict[str, int] = Field(default_factory=dict)
    many: list[int] = Field(default_factory=list)


@handler("typed")
def typed(config: Typed) -> None: ...


class Either(Config):
    """A fault of it as a whole is in the config itself, and not in one of its fields."""

    one: str | None = None
    other: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Either:
        if (self.one is None) == (self.other is None):
            raise ValueError("give either `one` or `other`")
        return self


@handler("either")
def either(config: Either) -> None: ...


@handler("http")
def http(config: HttpCall) -> None: ...


HANDLERS = {"noop": noop, "typed": typed, "http": http, "either": either}


def node(id: Any = "a", *dependencies: Any, handler: Any = "noop", **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies)} | more


def workflow(*nodes: Any, **more: Any) -> dict[str, Any]:
    return {"name": "w", "dag": {"nodes": list(nodes)}} | more


def problems(document: Any, max_nodes: int = 10_000) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as raised:
        definition.check(document, HANDLERS, max_nodes=max_nodes)
    return {problem.pointer: problem.detail for problem in raised.value.problems}


N = "/dag/nodes"

FAULTS: list[tuple[str, Any, str, str]] = [
    ("not an object", [], "", "must be a JSON object"),
    ("null", None, "", "must be a JSON object"),
    ("no name", {"dag": {"nodes": [node()]}}, "/name", "missing"),
    ("empty name", workflow(node(), name=""), "/name", "empty"),
    ("long name", workflow(node(), name="x" * 201), "/name", "too long"),
    ("no dag", {"name": "w"}, "/dag", "missing"),
    ("no such policy", workflow(node(), failure_policy="stop"), "/failure_policy", "must be `continue` or `fail_fast`"),
    ("no such ending", workflow(node(on_failure="skip")), f"{N}/0/on_failure", "must be `fail` or `ignore`"),
    ("no time", workflow(node(), timeout_seconds=0), "/timeout_seconds", "more than 0"),
    ("name of a tag", workflow(node(), tags={"a b": "c"}), "/tags/a b", "not the name of a tag"),
    ("value of a tag", workflow(node(), tags={"a": 1}), "/tags/a", "must be a string"),
    ("a webhook elsewhere", workflow(node(), webhook={"url": "ftp://x"}), "/webhook/url", "begins with http"),
    ("no such default", workflow(node(), defaults={"retries": 3}), "/defaults/retries", "there is no field"),
    ("dag is a list", {"name": "w", "dag": []}, "/dag", "must be an object"),
    ("no nodes", {"name": "w", "dag": {}}, N, "missing"),
    ("nodes is an object", {"name": "w", "dag": {"nodes": {}}}, N, "must be a list"),
    ("empty DAG", workflow(), N, "empty"),
    ("unknown field", workflow(node(), dags=1), "/dags", "did you mean `dag`?"),
    ("unknown node field", workflow(node(depends_on=[])), f"{N}/0/depends_on", "no field `depends_on`"),
    ("misspelt node field", workflow(node(dependancies=[])), f"{N}/0/dependancies", "did you mean `dependencies`?"),
    ("node is no object", workflow(5), f"{N}/0", "must be an object"),
    ("no id", workflow({"handler": "noop"}), f"{N}/0/id", "missing"),
    ("no handler", workflow({"id": "a"}), f"{N}/0/handler", "missing"),
    ("id is a number", workflow(node(5)), f"{N}/0/id", "must be a string"),
    ("empty id", workflow(node("")), f"{N}/0/id", "must not be empty"),
    ("id like a key", workflow(node("{0}:due")), f"{N}/0/id", "cannot hold `{`"),
    ("id with a quote", workflow(node('a"b')), f"{N}/0/id", 'cannot hold `"`'),
    ("id with a line break", workflow(node("a\n")), f"{N}/0/id", "U+000A"),
    ("id that hides", workflow(node("a\u202eb")), f"{N}/0/id", "U+202E"),
    ("id that is a folder", workflow(node("..")), f"{N}/0/id", "URLs read it as a folder"),
    ("long id", workflow(node("x" * 129)), f"{N}/0/id", "at most 128"),
    (
        "dotted id without quotes",
        workflow(node("a.b"), node("c", "a.b", config={"x": "{{ a.b.body }}"}, handler="output")),
        f"{N}/1/config/x",
        'write `{{ ["a.b"].body }}`',
    ),
    ("reserved id", workflow(node("params")), f"{N}/0/id", "reserved"),
    ("duplicate id", workflow(node(), node()), f"{N}/1/id", "already the id of /dag/nodes/0"),
    ("unknown handler", workflow(node(handler="nop")), f"{N}/0/handler", "did you mean `noop`?"),
    ("far handler", workflow(node(handler="zzzz")), f"{N}/0/handler", "Known: either, http, noop, typed"),
    ("self dependency", workflow(node("a", "a")), f"{N}/0/dependencies/0", "depends on itself"),
    ("unknown dependency", workflow(node("abc"), node("b", "abd")), f"{N}/1/dependencies/0", "did you mean `abc`?"),
    ("doubled dependency", workflow(node(), node("b", "a", "a")), f"{N}/1/dependencies/1", "twice"),
    ("dependency is a number", workflow(node("a", 3)), f"{N}/0/dependencies/0", "must be a string"),
    ("dependencies no list", workflow(node() | {"dependencies": "a"}), f"{N}/0/dependencies", "must be a list"),
    ("cycle of two", workflow(node("a", "b"), node("b", "a")), f"{N}/1/dependencies/0", "b -> a -> b"),
    ("config no object", workflow(node(config=[])), f"{N}/0/config", "must be an object"),
    ("config type", workflow(node(handler="typed", config={"number": "x"})), f"{N}/0/config/number", "whole number"),
    ("config range", workflow(node(handler="typed", config={"number": -1})), f"{N}/0/config/number", "at least 0"),
    ("config nested", workflow(node(handler="typed", config={"inner": {"k": "x"}})), f"{N}/0/config/inner/k", "whole"),
    ("config unknown", workflow(node(handler="typed", config={"nmber": 1})), f"{N}/0/config/nmber", "`number`?"),
    ("config missing", workflow(node(handler="http", config={})), f"{N}/0/config/url", "`url` is missing"),
    ("config as a whole", workflow(node(handler="either")), f"{N}/0/config", "give either `one` or `other`"),
    (
        "config of a thousand faults",
        workflow(node(handler="typed", config={"many": ["x"] * 1001})),
        f"{N}/0/config",
        "has 1,001 faults, too many to list",
    ),
    ("retry type", workflow(node(retry_policy=[])), f"{N}/0/retry_policy", "must be an object"),
    ("retry range", workflow(node(retry_policy={"max_attempts": 0})), f"{N}/0/retry_policy/max_attempts", "at least 1"),
    ("retry string", workflow(node(retry_policy={"max_attempts": "3"})), f"{N}/0/retry_policy/max_attempts", "whole"),
    ("retry unknown", workflow(node(retry_policy={"attempts": 3})), f"{N}/0/retry_policy/attempts", "`max_attempts`?"),
    ("timeout zero", workflow(node(timeout_seconds=0)), f"{N}/0/timeout_seconds", "more than 0"),
    ("timeout too long", workflow(node(timeout_seconds=841)), f"{N}/0/timeout_seconds", "at most 840"),
    ("timeout is true", workflow(node(timeout_seconds=True)), f"{N}/0/timeout_seconds", "must be a number"),
    ("template of nobody", workflow(node(config={"x": "{{ b.c }}"})), f"{N}/0/config/x", "there is no node `b`"),
    ("template of itself", workflow(node(config={"x": "{{ a }}"})), f"{N}/0/config/x", "does not come before"),
    (
        "template of a sibling",
        workflow(node("a"), node("b", config={"x": ["{{ a.y }}"]})),
        f"{N}/1/config/x/0",
        "add it to the dependencies",
    ),
    (
        "template of a descendant",
        workflow(node("a", config={"x": "{{ b }}"}), node("b", "a")),
        f"{N}/0/config/x",
        "does not come before",
    ),
    ("template in a key", workflow(node(config={"{{ q }}": 1})), f"{N}/0/config/{{{{ q }}}}", "no node `q`"),
    ("template unclosed", workflow(node(config={"x": "{{ a"})), f"{N}/0/config/x", "never closes"),
    ("template computes", workflow(node(config={"x": "{{ params.a + 1 }}"})), f"{N}/0/config/x", "not a path"),
    ("secret without a name", workflow(node(config={"x": "{{ secrets }}"})), f"{N}/0/config/x", "one name"),
    ("secret elsewhere", workflow(node(config={"x": "{{ secrets.../KEY }}"})), f"{N}/0/config/x", "not a path"),
    (
        "secret below a folder",
        workflow(node(config={"x": "{{ secrets.a/KEY }}"})),
        f"{N}/0/config/x",
        "one name of letters",
    ),
]


@pytest.mark.parametrize(("document", "pointer", "word"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS])
def test_fault(document: Any, pointer: str, word: str) -> None:
    found = problems(document)
    assert pointer in found, found
    assert word in found[pointer]


def test_too_many_nodes_are_not_looked_at() -> None:
    found = problems(workflow(*([5] * 11)), max_nodes=10)
    assert found == {N: "11 nodes; at most 10 are taken (MAX_NODES): split the workflow"}


def test_all_at_once() -> None:
    document = workflow(
        node("a", "a", "zz", handler="nope"),
        node("b{b", "c"),
        node("c", "d", timeout_seconds="x"),
        node("d", "c", config={"x": "{{ nobody.y }}", "y": "{{"}),
        more=1,
    )
    found = problems(document)
    expected = {
        "/more",
        f"{N}/1/id",
        f"{N}/2/timeout_seconds",
        f"{N}/0/dependencies/0",
        f"{N}/0/dependencies/1",
        f"{N}/0/handler",
        f"{N}/3/config/x",
        f"{N}/3/config/y",
    }
    assert expected <= set(found)
    assert any("c -> d -> c" in detail or "d -> c -> d" in detail for detail in found.values())


def test_a_faulty_node_makes_no_faults_elsewhere() -> None:
    found = problems(workflow(node("a", timeout_seconds="x"), node("b", "a", config={"x": "{{ a.y }}"})))
    assert list(found) == [f"{N}/0/timeout_seconds"]


def test_a_long_cycle_is_named_node_by_node() -> None:
    ids = [f"n{i}" for i in range(8)]
    document = workflow(*(node(id, ids[i - 1]) for i, id in enumerate(ids)), node("free"), node("behind", "n3"))
    (detail,) = problems(document).values()
    assert all(id in detail for id in ids) and "free" not in detail and "behind" not in detail


@pytest.mark.parametrize(
    "config",
    [
        {"number": "{{ params.n }}"},
        {"inner": "{{ params }}"},
        {"inner": {"{{ params.key }}": 1, "k": "{{ params.v }}"}},
        {"many": ["{{ params.a }}", 2]},
        {"{{ params.field }}": 1},
    ],
)
def test_what_a_template_decides_is_left_to_the_run(config: dict[str, Any]) -> None:
    definition.check(workflow(node(handler="typed", config=config)), HANDLERS, max_nodes=10)


def test_a_fault_of_a_whole_config_is_left_to_the_run_if_a_template_is_anywhere_in_it() -> None:
    for config in ({"one": "{{ params.x }}", "other": {}}, {"one": "x", "other": {"a": "{{ params.x }}"}}):
        definition.check(workflow(node(handler="either", config=config)), HANDLERS, max_nodes=10)
    assert list(problems(workflow(node(handler="either", config={"one": "x", "other": {"a": "b"}})))) == [
        f"{N}/0/config"
    ]


def test_valid_references() -> None:
    document = workflow(
        node("a"),
        node("b", "a"),
        node("c", "b", config={"x": "{{ a.y }} {{ b }} {{ params.z }} {{ secrets.KEY }}", "{{ a.k }}": [{}]}),
    )
    checked = definition.check(document, HANDLERS, max_nodes=10)
    assert [n.id for n in checked.dag.nodes] == ["a", "b", "c"]


def test_many_faults_are_cut_and_counted() -> None:
    found = problems(workflow(*(node("x y") for _ in range(500))))
    assert len(found) <= 101 and "more problems" in found[""]


@pytest.mark.parametrize("shape", ["wide", "chain", "faulty", "one node with all"])
def test_large_documents_take_a_moment(shape: str) -> None:
    count = 10_000
    if shape == "wide":
        nodes = [node(f"n{i}", *{f"n{max(0, i - k)}" for k in (1, 2, 3, 5, 8)} - {f"n{i}"}) for i in range(count)]
        for i in range(1, count):
            nodes[i]["config"] = {"x": "{{ n0.a }}", "y": f"{{{{ n{i // 2}.b }}}}"}
    elif shape == "chain":
        nodes = [node(f"n{i}", *([f"n{i - 1}"] if i else [])) for i in range(count)]
    elif shape == "faulty":
        nodes = [node(f"n{i}", "who", handler="what", config={"x": "{{ nobody }}"}) for i in range(count)]
    else:
        nodes = [node(f"n{i}") for i in range(count - 1)]
        ids = [n["id"] for n in nodes]
        nodes.append(node("last", *ids, *ids[:100], config={"x": [f"{{{{ {id} }}}}" for id in ids] * 5}))
    started = time.monotonic()
    if shape in ("wide", "chain"):
        definition.check(workflow(*nodes), HANDLERS, max_nodes=count)
    else:
        problems(workflow(*nodes))
    assert time.monotonic() - started < 5
