"""The parts of `dag`: profiles, signatures, pointers into text, outlines and pictures."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
import re
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import drawing, graph, profiles, signing
from cli.failures import Exit, Failure
from cli.layout import layered
from cli.outline import fold, order, outline
from cli.profiles import LOCAL, Profile
from cli.sources import line_of

GATEWAY = "https://abc.execute-api.eu-west-1.amazonaws.com/dev/api/workflows?name=a%20b&tag=k%3Av%2Fw&tag=a"


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("DAG_URL", "DAG_API_KEY", "DAG_AUTH", "DAG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAG_CONFIG", str(tmp_path / "below" / "config.toml"))
    return tmp_path / "below" / "config.toml"


def test_where_settings_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert profiles.choose({}, None) == Profile(LOCAL)
    profiles.write("prod", {"url": "https://prod", "api_key": "secret"})
    profiles.write("dev", {"url": "https://dev"})
    assert profiles.choose({}, None) == Profile("https://prod", "secret")  # the first one set is in use
    profiles.use("dev")
    assert profiles.choose({}, None) == Profile("https://dev")
    assert profiles.choose({}, "prod").url == "https://prod"
    monkeypatch.setenv("DAG_URL", "http://env")
    assert profiles.choose({}, None) == Profile("http://env")
    assert profiles.choose({}, "prod") == Profile("https://prod", "secret")
    monkeypatch.setenv("DAG_PROFILE", "prod")
    assert profiles.choose({"url": "http://flag"}, None).url == "http://flag"


def test_the_key_of_the_profile_in_use_goes_to_no_other_url() -> None:
    profiles.write("prod", {"url": "https://prod", "api_key": "secret"})
    assert profiles.choose({"url": "http://elsewhere"}, None).api_key is None


def test_the_file_is_its_owners_alone_and_keeps_what_it_says(config: Path) -> None:
    profiles.write("prod", {"url": "https://prod"})
    config.write_text("# mine\n" + config.read_text())
    profiles.write("prod", {"api_key": "secret", "url": None})
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert config.read_text().startswith("# mine\n")
    assert profiles.choose({}, None) == Profile("https://prod", "secret")
    profiles.remove("prod")
    assert profiles.read() == (None, {})


def test_what_is_wrong_with_profiles_is_said(config: Path) -> None:
    for wrong in (lambda: profiles.use("no"), lambda: profiles.remove("no"), lambda: profiles.choose({}, "no")):
        with pytest.raises(Failure) as failed:
            wrong()
        assert failed.value.code is Exit.NOT_FOUND
    config.parent.mkdir()
    for text in ("use = ", "profiles = 3", "profiles = {a = 3}"):
        config.write_text(text)
        with pytest.raises(Failure, match="config"):
            profiles.choose({}, None)


def test_a_request_to_api_gateway_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected signature is computed here, by AWS's documentation of Signature Version 4."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    body = b'{"a": 1}'
    sent = signing.headers(Profile(GATEWAY), "POST", GATEWAY, body, {"Content-Type": "application/json"})
    lower = {name.lower(): value for name, value in sent.items()} | {"host": urlsplit(GATEWAY).netloc}
    assert lower["x-amz-security-token"] == "token"
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKID/(\d{8})/eu-west-1/execute-api/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        lower["authorization"],
    )
    assert found
    day, names, signature = found.groups()
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(names.split(";"))
    query = "&".join(sorted(urlsplit(GATEWAY).query.split("&")))
    head = "".join(f"{name}:{lower[name]}\n" for name in names.split(";"))
    canonical = f"POST\n{urlsplit(GATEWAY).path}\n{query}\n{head}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/eu-west-1/execute-api/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{lower['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4wJalr"
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), "sha256").digest()
    assert key.hex() == signature


def test_who_calls_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(profile: Profile, url: str) -> set[str]:
        return {name.lower() for name in signing.headers(profile, "GET", url, None, {})}

    assert names(Profile(), "http://127.0.0.1:8000/api/health") == set()
    assert names(Profile(api_key="k"), GATEWAY) == {"x-api-key"}
    assert names(Profile(auth="none"), GATEWAY) == set()
    assert names(Profile(auth="iam"), "https://my.own.domain/api/health") >= {"authorization", "x-amz-date"}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(Failure, match="no AWS credentials") as failed:
        signing.headers(Profile(), "GET", GATEWAY, None, {})
    assert failed.value.code is Exit.DENIED


JSON = '{"a/b": [1,\n {"c~d": "x}]",\n\n  "e\\u0041": {}}],\n"z": "\\""}'


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 1),
        ("/a~1b", 1),
        ("/a~1b/1", 2),
        ("/a~1b/1/c~0d", 2),
        ("/a~1b/1/eA", 4),
        ("/a~1b/1/eA/missing", 4),
        ("/z", 5),
        ("/z/0", 5),
        ("/missing/0", 1),
        ("/query/name", 1),
    ],
)
def test_where_a_pointer_leads(pointer: str, line: int) -> None:
    assert line_of(JSON, pointer) == line


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_and_no_pointer_is_too_odd(text: str, pointer: str) -> None:
    assert line_of(text, "/" + pointer) is None or line_of(text, "/" + pointer) <= text.count("\n") + 1  # type: ignore[operator]


DIAMOND = {"in": [], "left": ["in"], "more": ["left"], "right": ["in"], "out": ["more", "right"], "end": ["out"]}
dags = st.integers(1, 25).flatmap(
    lambda size: st.tuples(*(st.sets(st.integers(0, size - 1), max_size=3) for _ in range(size)))
)


def test_an_outline() -> None:
    drawn = [(line.depth, line.node) for line in outline(DIAMOND)]
    assert drawn == [(0, "in"), (1, "left"), (2, "more"), (1, "right"), (0, "out"), (0, "end")]
    assert len(outline({f"n{number}": [f"n{number - 1}"] if number else [] for number in range(5000)})) == 5000


@given(dags)
def test_an_outline_has_each_node_once_and_after_its_parents(parents: tuple[set[int], ...]) -> None:
    nodes = {f"n{id}": [f"n{parent}" for parent in before if parent < id] for id, before in enumerate(parents)}
    shown = [line.node for line in outline(nodes)]
    assert sorted(map(str, shown)) == sorted(nodes)
    assert all(shown.index(parent) < shown.index(id) for id, before in nodes.items() for parent in before)


def test_a_cycle_is_left_out() -> None:
    assert order({"a": [], "b": ["a", "c"], "c": ["b"]}) == ["a"]


def test_a_long_outline_is_folded() -> None:
    wide = {"in": [], **{f"n{number}": ["in"] for number in range(1000)}}
    wide["out"] = [f"n{number}" for number in range(1000)]
    folded = fold(outline(wide), 20, lambda id: int(id == "n500"))
    shown = [line.node for line in folded if line.node]
    assert len(folded) <= 21
    assert {"in", "n500", "out"} <= set(shown)
    assert len({id for line in folded for id in line.ids}) == 1002


def test_pictures() -> None:
    nodes = {'say "<hi>" & \x1b[0m go': [], "end": ['say "<hi>" & \x1b[0m go']} | DIAMOND
    states = {"in": "COMPLETED", "end": "FAILED"}
    drawn = xml.fromstring(drawing.svg(nodes, states))
    space = "{http://www.w3.org/2000/svg}"
    groups = {group.find(f"{space}title").text: group.get("class") for group in drawn.iter(f"{space}g")}  # type: ignore[union-attr]
    assert groups["in: COMPLETED"] == "COMPLETED" and groups["left"] == ""
    assert 'say "<hi>" & [0m go' in groups
    assert len([path for path in drawn.iter(f"{space}path") if path.get("marker-end")]) == 6
    boxes = {(box.get("x"), box.get("y")) for box in drawn.iter(f"{space}rect")}
    assert len(boxes) == len(nodes)

    flow = graph.mermaid(nodes, states)
    assert 'n0["say #34;#60;hi#62;#34; #38; [0m go"]' in flow
    assert 'n2["in"]:::COMPLETED' in flow and "n2 --> n3" in flow
    assert '"left" -> "more"' in graph.dot(nodes, states)

    odd = {r"1. Fetch #35; \n": [], "- b": [r"1. Fetch #35; \n"]}
    assert [line.split('"')[1] for line in graph.mermaid(odd, {}).splitlines()[1:3]] == [
        "1#46; Fetch #35;35; #92;n",
        "#45; b",
    ]
    assert r'"1. Fetch #35; \\n" -> "- b"' in graph.dot(odd, {})


def test_edges_over_several_layers_pass_by_the_nodes_between() -> None:
    nodes = {"a": [], "b": ["a"], "c": ["b"], "d": ["a", "c"]}
    drawn = xml.fromstring(drawing.svg(nodes, {}))
    paths = [path.get("d", "") for path in drawn.iter("{http://www.w3.org/2000/svg}path") if path.get("marker-end")]
    assert sorted(path.count("C") for path in paths) == [1, 1, 1, 3]


@given(dags)
def test_a_layout_has_room_for_each_node_and_for_each_edge_that_passes(parents: tuple[set[int], ...]) -> None:
    nodes = {f"n{id}": [f"n{parent}" for parent in before if parent < id] for id, before in enumerate(parents)}
    levels: dict[str, int] = {}
    for id in order(nodes):
        levels[id] = max((levels[parent] + 1 for parent in nodes[id]), default=0)
    layout = layered(nodes, 100, 80)
    assert {id: round(y / 80, 6) for id, (_, y) in layout.places.items()} == levels
    assert set(layout.routes) == {(parent, id) for id, before in nodes.items() for parent in before}
    passing = [point for route in layout.routes.values() for point in route[1:-1]]
    for id, (x, y) in layout.places.items():
        assert x >= 0
        others = [place for other, place in layout.places.items() if other != id]
        assert all(abs(x - to_x) > 99.9 for to_x, to_y in others if abs(y - to_y) < 1)
        assert all(abs(x - to_x) > 50 for to_x, to_y in passing if abs(y - to_y) < 1)
    for (parent, id), route in layout.routes.items():
        assert (route[0], route[-1]) == (layout.places[parent], layout.places[id])
        assert len(route) == levels[id] - levels[parent] + 1


def test_siblings_are_laid_out_as_they_are_written_and_large_dags_in_no_time() -> None:
    middle = [f"n{number}" for number in range(1000)]
    places = layered({"in": [], **{id: ["in"] for id in middle}, "out": middle}, 100, 80).places
    assert sorted(middle, key=lambda id: places[id][0]) == middle
    places = layered(DIAMOND, 100, 80).places
    assert places["left"][0] < places["right"][0]
    layers = {
        f"{layer}_{place}": [f"{layer - 1}_{(place * 7 + step * 11) % 50}" for step in range(3)] if layer else []
        for layer in range(20)
        for place in range(50)
    }
    assert len(layered(layers, 100, 80).routes) == 2850


@pytest.mark.parametrize("document", [{}, [], {"dag": None}, {"dag": {"nodes": [{}]}}, {"dag": {"nodes": [3]}}])
def test_what_is_no_workflow_is_not_drawn(document: object) -> None:
    with pytest.raises(ValueError, match="dag validate"):
        graph.nodes_of(json.loads(json.dumps(document)))


def test_an_empty_dag_is_drawn() -> None:
    assert xml.fromstring(drawing.svg({}, {})) is not None


def test_dag_knows_the_service_by_http_alone() -> None:
    """It imports from the service only the version, and the doctor for `dag doctor`."""
    known = {
        "__future__",
        "cli",
        *sys.stdlib_module_names,
        "botocore",
        "fast_sugiyama",
        "rich",
        "tomlkit",
        "typer",
        "urllib3",
    }
    for path in Path(drawing.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "chalicelib":
                assert [alias.name for alias in node.names] == ["__version__"], path
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                )
                foreign = {name.split(".")[0] for name in names} - known
                assert foreign <= ({"doctor"} if path.name == "stacks.py" else set()), path
