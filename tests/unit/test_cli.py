"""The commands of `dag` with a fake service: their requests, output and exit codes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from typer.testing import CliRunner, Result

from chalicelib.web.examples import FORECAST
from cli.client import Client
from cli.failures import MEANINGS, Exit
from cli.main import app
from cli.profiles import Profile

STILL_RUNNING = {"type": "/api/docs#problem-still-running", "title": "Still running", "status": 409, "detail": "wait"}
NASTY = "[bold]x[/bold]\x1b[31m\u202ey\nz"
PROGRESS = {"total": 2, "pending": 0, "running": 0, "completed": 2, "failed": 0, "skipped": 0, "cancelled": 0}


def status(state: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    ended = None if state in ("PENDING", "RUNNING") else "2026-11-24T00:00:02.500Z"
    node = {"status": state, "attempt": 1, "queued_at": None, "started_at": None, "finished_at": None, "error": None}
    return {
        "instance_id": "in-1",
        "execution_id": "ex-1",
        "name": "Two",
        "status": state,
        "progress": PROGRESS,
        "created_at": "2026-11-24T00:00:00.000Z",
        "finished_at": ended,
        "error": None,
        "nodes": {"a": node, "b": node},
        **more,
    }


class Service:
    """`answers[METHOD path]` is JSON or text, or (HTTP status, body), or a list of these, one for each request."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []

    def request(self, method: str, url: str, *, body: bytes | None, headers: Any, **_: Any) -> urllib3.HTTPResponse:
        self.asked.append((method, url, json.loads(body) if body else None, headers))
        answer = self.answers[f"{method} {urlsplit(url).path.removeprefix('/api/')}"]
        if isinstance(answer, list):
            answer = answer.pop(0)
        code, document, *more = answer if isinstance(answer, tuple) else (200, answer)
        data = document if isinstance(document, str) else json.dumps(document)
        return urllib3.HTTPResponse(body=data.encode(), status=code, headers=more[0] if more else {})

    def query(self, number: int) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.asked[number][1]).query)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Service:
    found = Service()
    monkeypatch.setattr("cli.client.urllib3.PoolManager", lambda **_: found)
    monkeypatch.setenv("DAG_CONFIG", str(tmp_path / "config.toml"))
    for name in ("DAG_URL", "DAG_API_KEY", "DAG_AUTH", "DAG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return found


def dag(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin, catch_exceptions=False)


def test_a_result_that_is_too_large_is_fetched_alone(service: Service) -> None:
    large = {name: {"bytes": 9, "sha256": "x", "href": f"/api/workflows/in-1/results/{name}"} for name in ("a", "b")}
    service.answers = {
        "GET workflows/in-1/results": {**status(), "output": None, "results": {}, "large": large},
        "GET workflows/in-1/results/a": '"text"',
        "GET workflows/in-1/results/b": (303, "", {"Location": "https://bucket.example/b?signed=1"}),
        "GET /b": [[1, 2]],
    }
    said = dag("results", "in-1")
    assert json.loads(said.stdout) is None and "too large for one answer: a, b" in said.stderr
    assert json.loads(dag("results", "in-1", "--node", "a").stdout) == "text"
    assert json.loads(dag("--api-key", "k", "results", "in-1", "--node", "b").stdout) == [1, 2]
    assert service.asked[-1][3] == {}, "whoever keeps it is not shown the key"


@pytest.mark.parametrize(
    ("state", "code"), [("COMPLETED", 0), ("FAILED", 1), ("RUNNING", 5), ("PENDING", 5), ("CANCELLED", 6)]
)
def test_the_exit_code_is_the_status_of_the_instance(service: Service, state: str, code: int) -> None:
    service.answers = {"GET workflows/in-1": status(state)}
    assert dag("status", "in-1").exit_code == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((400, {"title": "The body is not JSON", "detail": "line 1"}), Exit.INVALID),
        ((403, {"message": "Forbidden"}), Exit.DENIED),
        ((404, {"title": "Not found", "detail": "there is no instance"}), Exit.NOT_FOUND),
        ((409, {"title": "Not possible", "detail": "it has ended"}), Exit.CONFLICT),
        ((409, STILL_RUNNING), Exit.RUNNING),
        ((413, {"title": "Too large", "detail": "5 MiB"}), Exit.INVALID),
        ((429, {"message": "Too Many Requests"}), Exit.UNREACHABLE),
        ((500, {"title": "Internal error", "detail": "it was logged"}), Exit.SERVER),
        ((503, {"title": "Overloaded", "detail": "later"}), Exit.UNREACHABLE),
        ((502, "<html>Bad gateway</html>"), Exit.UNREACHABLE),
        ((200, "<html>A wiki</html>"), Exit.SERVER),
    ],
)
def test_every_refusal_has_an_exit_code_and_a_sentence(service: Service, answer: Any, code: Exit) -> None:
    service.answers = {"GET workflows/in-1/results": answer}
    for words in (["results", "in-1"], ["results", "in-1", "--json"]):
        done = dag(*words)
        assert (done.exit_code, done.stdout) == (code, "")
        assert done.stderr.strip()
    assert json.loads(done.stderr)["exit"] == code


def test_help_tells_every_exit_code() -> None:
    printed = dag("--help").stdout
    assert all(f"{code.value}  {meaning}"[:60] in printed for code, meaning in MEANINGS.items())
    assert set(MEANINGS) == set(Exit)


def test_wrong_usage(service: Service) -> None:
    assert dag("status").exit_code == Exit.INVALID
    assert dag("run", "missing.json").exit_code == Exit.NOT_FOUND
    assert dag("trigger", "ex-1", "-p", "novalue").exit_code == Exit.INVALID
    assert dag("list", "--url", "ftp://x").exit_code == Exit.INVALID
    assert dag("list", "--auth", "basic").exit_code == Exit.INVALID
    assert dag("delete", "in-1").exit_code == Exit.INVALID  # no terminal to ask on
    assert service.asked == []


def test_what_others_wrote_is_printed_literally(service: Service) -> None:
    error = {"type": "Oops", "message": NASTY, "node": NASTY}
    event = {"at": "x", "event": NASTY, "node": NASTY, "attempt": 1, "epoch": 1, "worker": None, "reason": NASTY}
    nodes = {NASTY: {**status()["nodes"]["a"], "error": error}}
    listed = {**status(name=NASTY, error=error, tags={"k": NASTY}), "paused": False, "epoch": 1, "tags": {"k": NASTY}}
    service.answers = {
        "GET workflows/in-1": status(name=NASTY, error=error, tags={"k": NASTY}, nodes=nodes),
        "GET workflows": {"instances": [listed], "next": None, "counts": {}},
        "GET workflows/in-1/history": {"events": [event], "next": None, "forgotten": 0, "why": {NASTY: NASTY}},
        "GET workflows/in-1/results": {**status(), "output": NASTY, "results": {}},
        "POST workflows/in-1/pause": (409, {"title": NASTY, "detail": NASTY}),
    }
    for words in (["status", "in-1"], ["list"], ["history", "in-1"], ["results", "in-1"], ["pause", "in-1"]):
        printed = dag(*words).output
        assert "[bold]x[/bold]" in printed
        assert not set("\x1b\u202e") & set(printed), words
    assert json.loads(dag("results", "in-1").stdout) == NASTY


def test_faults_of_a_file_come_with_their_lines(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "wf.json"
    file.write_text('{"name": "x",\n "dag": {"nodes": [\n  {"id": "a"},\n  {"id": "b",\n   "handler": "nop"}]}}')
    errors = [{"pointer": "/dag/nodes/1/handler", "detail": "there is no handler `nop`"}]
    errors.append({"pointer": "/dag/nodes/0/handler", "detail": "Field required"})
    problem = {"title": "The request is not valid", "detail": "2", "errors": errors}
    service.answers = {"POST workflow": (422, problem)}
    done = dag("submit", str(file))
    assert done.exit_code == Exit.INVALID
    assert "line 5, /dag/nodes/1/handler there is no handler `nop`" in done.stderr
    assert "line 3, /dag/nodes/0/handler Field required" in done.stderr
    told = json.loads(dag("submit", "-", "--json", stdin=file.read_text()).stderr)
    assert [fault["line"] for fault in told["errors"]] == [5, 3]
    assert told["problem"] == problem


def test_a_plan(service: Service, tmp_path: Path) -> None:
    service.answers = {
        "POST workflow/plan": FORECAST,
        "GET workflow/ex-1/plan": FORECAST,
        "GET workflow/ex-1": {"definition": {"name": "stored"}},
    }
    words = ["--workers", "2", "-d", "get_user=0.25", "-d", "call_llm_service=3", "--recorded", "in-1"]
    assert json.loads(dag("plan", "-", *words, "--json", stdin='{"name": "x"}').stdout) == FORECAST
    asked = {"workers": 2, "instance_id": "in-1", "durations": {"get_user": 0.25, "call_llm_service": 3}}
    assert service.asked[-1][2] == {"workflow": {"name": "x"}, **asked}
    dag("plan", "ex-1", *words)
    assert service.asked[-1][2] == {"workflow": {"name": "stored"}, **asked}
    shown = dag("plan", "ex-1", "--workers", "2").stdout
    assert service.asked[-1][0] == "GET" and service.query(-1) == {"workers": ["2"]}
    assert "4 nodes, 4 edges, 4 levels, 1 at once" in shown
    assert "input > get_user > summary > output" in shown
    for row in ("with 2 workers +3.3 s", "Redis commands +96", "Step Functions Standard +0.000152885"):
        assert re.search(row, shown)
    assert all(note in shown for note in FORECAST["assumptions"]["notes"])
    assert dag("plan", "-", "-d", "a=soon", stdin="{}").exit_code == Exit.INVALID


def test_a_plan_of_many_is_shown_in_few_lines(service: Service) -> None:
    levels = [[f"n{level}_{place}" for place in range(50)] for level in range(300)]
    path = {"nodes": [level[0] for level in levels], "seconds": 300}
    service.answers = {"POST workflow/plan": {**FORECAST, "name": NASTY, "levels": levels, "critical_path": path}}
    shown = dag("plan", "-", stdin="{}").stdout
    assert len(shown.splitlines()) < 70 and "in 280 more levels" in shown
    assert "n0_3, … 45 more, n0_49" in shown and "… 295 more > n299_0" in shown
    assert "[bold]x[/bold]" in shown and not set("\x1b\u202e") & set(shown)


def test_faults_of_a_plan_are_of_the_file_or_of_what_is_asked(service: Service) -> None:
    errors = [{"pointer": "/workflow/dag/nodes", "detail": "empty"}, {"pointer": "/durations/a", "detail": "no node"}]
    service.answers = {"POST workflow/plan": (422, {"title": "Not valid", "detail": "2", "errors": errors})}
    done = dag("plan", "-", "-d", "a=1", stdin='{"name": "x",\n "dag": {"nodes": []}}')
    assert done.exit_code == Exit.INVALID
    assert "line 2, /dag/nodes empty" in done.stderr and "   /durations/a no node" in done.stderr


def test_ids_alone_are_on_stdout(service: Service) -> None:
    service.answers = {
        "POST workflow": (201, {"execution_id": "ex-1", "name": "Two", "nodes": 2}),
        "POST workflow/trigger/ex-1": (202, {"instance_id": "in-1", "execution_id": "ex-1"}),
    }
    assert dag("submit", "-", stdin="{}").stdout == "ex-1\n"
    words = ["-p", "n=7", "-p", "s=seven", "-p", 't="7"', "-p", "o={}", "-t", "team=a"]
    assert dag("trigger", "ex-1", *words).stdout == "in-1\n"
    assert service.asked[-1][2] == {"params": {"n": 7, "s": "seven", "t": "7", "o": {}}, "tags": {"team": "a"}}
    assert dag("run", "-", stdin="{}").stdout == "in-1\n"
    keys = [headers["Idempotency-Key"] for _, _, _, headers in service.asked]
    assert len(set(keys)) == len(keys) == 4


def test_run_and_watch(service: Service) -> None:
    definition = {"dag": {"nodes": [{"id": "a"}, {"id": "b", "dependencies": ["a"]}]}}
    service.answers = {
        "POST workflow": (201, {"execution_id": "ex-1", "name": "Two", "nodes": 2}),
        "POST workflow/trigger/ex-1": (202, {"instance_id": "in-1", "execution_id": "ex-1"}),
        "GET workflow/ex-1": {"definition": definition},
        "GET workflows/in-1": [
            status("PENDING"),
            status("RUNNING"),
            status("FAILED", error={"type": "E", "message": "m"}),
        ],
        "GET workflows/in-1/results": {**status("FAILED"), "output": {"a": 1}, "results": {"a": 1}},
    }
    done = dag("run", "-", "--watch", stdin="{}")
    assert done.exit_code == Exit.FAILED
    assert json.loads(done.stdout) == {"a": 1}
    assert "in-1 FAILED" in done.stderr and "✗ b" in done.stderr and "E: m" in done.stderr
    waits = [float(service.query(number).get("wait", ["0"])[0]) for number in range(len(service.asked))]
    assert max(waits) == 20  # no terminal: the service waits, and requests are rare


ENDED = {**status("FAILED"), "output": {"a": 1}, "large": {"b": {"bytes": 9, "sha256": "x", "href": "/y"}}}


@pytest.mark.parametrize("terminal", [False, True])
def test_a_run_that_is_soon_over_takes_few_requests(
    service: Service, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr("cli.output.Console.is_terminal", terminal)
    service.answers = {
        "POST workflow/trigger/ex-1": ENDED,
        "GET workflow/ex-1": {"definition": {"dag": {"nodes": [{"id": "a"}, {"id": "b"}]}}},
        "GET workflows/in-1": [status("FAILED"), status("FAILED")],
        "GET workflows/in-1/results": {**ENDED, "results": {"a": 1}},
    }
    done = dag("trigger", "ex-1", "--watch")
    assert (done.exit_code, json.loads(done.stdout)) == (Exit.FAILED, {"a": 1})
    assert "FAILED" in done.stderr and "too large for one answer: b" in done.stderr
    assert [f"{method} {urlsplit(url).path}" for method, url, _, _ in service.asked] == [
        "POST /api/workflow/trigger/ex-1",
        "GET /api/workflow/ex-1",
        "GET /api/workflows/in-1",
    ]
    assert service.query(0) == {"wait": ["0.20" if terminal else "20.00"]}
    assert json.loads(dag("trigger", "ex-1", "--watch", "--json").stdout)["results"] == {"a": 1}


def test_the_time_of_a_watch_bounds_the_first_wait(service: Service) -> None:
    service.answers = {
        "POST workflow/trigger/ex-1": (202, {"instance_id": "in-1", "execution_id": "ex-1"}),
        "GET workflow/ex-1": (404, {"message": "no"}),
        "GET workflows/in-1": status("RUNNING"),
    }
    for timeout, query in (("0.5", {"wait": ["0.50"]}), ("0", {})):
        service.asked.clear()
        assert dag("trigger", "ex-1", "--watch", "--timeout", timeout).exit_code == Exit.RUNNING
        assert service.query(0) == query


def test_an_older_service_refuses_to_wait(service: Service) -> None:
    fault = {"pointer": "/query/wait", "detail": "there is no parameter `wait` here: leave it out"}
    refused = (422, {"title": "The request is not valid", "status": 422, "detail": "1", "errors": [fault]})
    started = (202, {"instance_id": "in-1", "execution_id": "ex-1"})
    service.answers = {
        "POST workflow/trigger/ex-1": [refused, started],
        "GET workflow/ex-1": (404, {"message": "no"}),
        "GET workflows/in-1": status(),
        "GET workflows/in-1/results": {**status(), "output": 7, "results": {}},
    }
    done = dag("trigger", "ex-1", "--watch", "-p", "x=1")
    assert (done.exit_code, done.stdout) == (Exit.OK, "7\n") and "not valid" not in done.stderr
    assert [service.query(number) for number in (0, 1)] == [{"wait": ["20.00"]}, {}]
    assert service.asked[0][2] == service.asked[1][2] == {"params": {"x": 1}}
    other = {"pointer": "/params", "detail": "must be an object"}
    service.answers["POST workflow/trigger/ex-1"] = (422, {"title": "Not valid", "detail": "1", "errors": [other]})
    service.asked.clear()
    assert dag("trigger", "ex-1", "--watch").exit_code == Exit.INVALID and len(service.asked) == 1


def test_watching_ends_when_its_time_is_over(service: Service) -> None:
    service.answers = {"GET workflows/in-1": status("RUNNING"), "GET workflow/ex-1": (404, {"message": "no"})}
    done = dag("status", "in-1", "--watch", "--timeout", "0", "--json")
    assert done.exit_code == Exit.RUNNING
    assert json.loads(done.stdout)["status"] == "RUNNING"


def test_list_goes_on_behind_a_short_page(service: Service) -> None:
    one = {**status(), "paused": False, "epoch": 1, "tags": {}}
    pages = [{"instances": [], "next": "in-9", "counts": {}}, {"instances": [one], "next": "in-1", "counts": {}}]
    service.answers = {"GET workflows": pages}
    done = dag("list", "-s", "failed", "-s", "RUNNING", "-t", "team=a b", "-t", "x=y", "-n", "1")
    assert "in-1" in done.stdout and "--cursor in-1" in done.stderr
    assert service.query(0)["status"] == ["FAILED,RUNNING"]
    assert service.query(0)["tag"] == ["team:a b", "x:y"]
    assert "team%3Aa%20b" in service.asked[0][1]  # as a signature requires: no `+`
    assert service.query(1)["cursor"] == ["in-9"]


def test_rerun_asks_for_what_it_is_told(service: Service) -> None:
    again = {"instance_id": "in-1", "execution_id": "ex-1", "epoch": 2, "nodes": 3}
    service.answers = {"POST workflows/in-1/rerun": (202, again)}
    dag("rerun", "in-1")
    dag("rerun", "in-1", "--from", "a", "--from", "b", "-p", "x=1")
    assert [body for _, _, body, _ in service.asked] == [{}, {"from": ["a", "b"], "params": {"x": 1}}]


def test_health(service: Service) -> None:
    service.answers = {"GET health": [(503, {"status": "degraded", "versions": {}}), {"status": "ok", "versions": {}}]}
    assert [dag("health", "--json").exit_code for _ in range(2)] == [Exit.UNREACHABLE, Exit.OK]


def test_the_shared_options_stand_before_or_after_the_command(service: Service) -> None:
    service.answers = {"GET workflows/in-1": status()}
    before, after = (
        dag("--json", "--url", "http://x", "status", "in-1"),
        dag("status", "in-1", "--json", "--url", "http://x"),
    )
    assert json.loads(before.stdout) == json.loads(after.stdout) == status()
    assert {url for _, url, _, _ in service.asked} == {"http://x/api/workflows/in-1"}


def test_nodes_are_completed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answers = {"GET workflows/in-1": status(nodes={"fetch": {}, "first": {}, "join": {}})}
    monkeypatch.setenv("_DAG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "dag rerun in-1 --from f")
    monkeypatch.setenv("COMP_CWORD", "4")
    assert CliRunner().invoke(app, [], prog_name="dag").stdout.split() == ["fetch", "first"]


def test_the_doctor_is_the_one_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    from doctor import findings

    found = [findings.ok("a", "fine"), findings.warning("b", "hm", "do it")]
    monkeypatch.setattr("doctor.run", lambda stage: found if stage == "prod" else [])
    done = dag("doctor", "--stage", "prod", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["level"] == "warning"


class Flaky(BaseHTTPRequestHandler):
    """A service that first hangs up, then is overloaded, and then answers."""

    keys: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        if len(self.keys) == 1:
            self.connection.close()
            return
        body = b'{"instance_id": "in-1"}'
        self.send_response(503 if len(self.keys) == 2 else 202)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def flaky() -> Iterator[str]:
    Flaky.keys.clear()
    with HTTPServer(("127.0.0.1", 0), Flaky) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_request_is_tried_again_with_the_same_key(flaky: str) -> None:
    client = Client(Profile(flaky))
    assert client.post("workflow", "trigger", "ex-1", once=True) == {"instance_id": "in-1"}
    assert len(Flaky.keys) == 3 and len(set(Flaky.keys)) == 1 and Flaky.keys[0]


def test_a_service_that_is_away() -> None:
    done = dag("list", "--url", "http://127.0.0.1:1")
    assert done.exit_code == Exit.UNREACHABLE
    assert "make run" in done.stderr
