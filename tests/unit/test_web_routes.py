"""The routes with a fake service: what they pass on, what they answer, and the form of each error."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse

import app as web
from chalicelib import errors
from chalicelib.models.views import Health, Progress, ResultsView, StatusView, Submitted, Triggered
from chalicelib.states import InstanceStatus
from chalicelib.usecases.runs import Run
from chalicelib.web import parameters, requests

NOW = "2026-01-02T03:04:05.678Z"


class FakeService:
    """Records its calls, and raises `error` if it is set."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.healthy = True
        self.finished: str | None = None

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error:
            raise self.error

    def submit(self, body: bytes, idempotency_key: str | None) -> Submitted:
        self._note("submit", body, idempotency_key)
        return Submitted(execution_id="exe_1", name="ünïcode", nodes=2, created_at=NOW)

    def trigger(self, execution_id: str, body: bytes, idempotency_key: str | None) -> Triggered:
        self._note("trigger", execution_id, body, idempotency_key)
        return Triggered(instance_id="ins_1", execution_id=execution_id, created_at=NOW)

    def start(
        self, execution_id: str, body: bytes, idempotency_key: str | None, wait_seconds: float, *, mount: str = ""
    ) -> Run:
        self._note("start", execution_id, body, idempotency_key, wait_seconds, mount)
        return Run(Triggered(instance_id="ins_1", execution_id=execution_id, created_at=NOW), self.finished)

    def status(self, id: str, wait_seconds: float = 0, *, nodes: bool = True) -> StatusView:
        self._note("status", id, wait_seconds, nodes)
        progress = Progress(total=0, pending=0, running=0, completed=0, failed=0, skipped=0, cancelled=0)
        return StatusView(
            instance_id=id,
            execution_id="exe_1",
            name="n",
            status=InstanceStatus.RUNNING,
            progress=progress,
            created_at=NOW,
            nodes={},
        )

    def results(self, instance_id: str, epoch: int | None = None, *, mount: str = "") -> str:
        self._note("results", instance_id, epoch)
        return ResultsView(
            instance_id=instance_id,
            execution_id="exe_1",
            status=InstanceStatus.COMPLETED,
            output={"a": 1},
            results={"a": {"a": 1}},
        ).model_dump_json()

    def health(self) -> Health:
        self._note("health")
        return Health(status="ok" if self.healthy else "degraded", store="ok", queue="ok", versions={})


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    service = FakeService()
    application = SimpleNamespace(
        parts=[],
        submission=service,
        triggering=service,
        runs=service,
        status=SimpleNamespace(of=service.status),
        results=SimpleNamespace(of=service.results),
        health=SimpleNamespace(check=service.health),
        handlers={},
        worker=SimpleNamespace(handle=lambda event, context: {"of": ("worker", event, context)}),
        dead_letters=SimpleNamespace(handle=lambda event, context: {"of": ("dead", event)}),
        scheduler=SimpleNamespace(handle=lambda event: {"handled": 3, **event}),
        sweep=SimpleNamespace(run=lambda: SimpleNamespace(as_dict=lambda: {"instances": 1})),
    )
    monkeypatch.setattr("chalicelib.composition.application", lambda: application)
    return service


@pytest.fixture
def client(service: FakeService) -> Iterator[Client]:
    with Client(web.app) as client:
        yield client


def problem(response: HTTPResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(response.body)
    assert document["status"] == status
    assert {"type", "title", "detail"} <= document.keys()
    return document


def test_submit(client: Client, service: FakeService) -> None:
    response = client.http.post("/api/workflow", body=b'{"name": 1}', headers={"Idempotency-Key": "k-1"})
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Location"] == "/api/workflows/exe_1"
    assert response.json_body == {
        "execution_id": "exe_1",
        "status": "PENDING",
        "name": "ünïcode",
        "nodes": 2,
        "created_at": NOW,
    }
    assert service.calls == [("submit", b'{"name": 1}', "k-1")]


def test_location_under_a_stage_where_the_path_captures(service: FakeService) -> None:
    route = "/api/workflow/trigger/{execution_id}"
    context = {"httpMethod": "POST", "resourcePath": route, "path": "/dev/api/workflow/trigger/exe_1/"}
    event = {
        "requestContext": context,
        "headers": {},
        "pathParameters": {"execution_id": "exe_1"},
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": None,
    }
    assert web.app(event, None)["headers"]["Location"] == "/dev/api/workflows/ins_1"


def test_location_under_a_stage(service: FakeService) -> None:
    context = {"httpMethod": "POST", "resourcePath": "/api/workflow", "path": "/dev/api/workflow"}
    event = {
        "requestContext": context,
        "headers": {},
        "pathParameters": None,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": "e30=",
        "isBase64Encoded": True,
    }
    assert web.app(event, None)["headers"]["Location"] == "/dev/api/workflows/exe_1"
    assert service.calls == [("submit", b"{}", None)]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream", None],
)
def test_the_body_is_read_whatever_its_content_type(
    client: Client, service: FakeService, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert client.http.post("/api/workflow", body="{é}".encode(), headers=headers).status_code == 201
    assert service.calls == [("submit", "{é}".encode(), None)]


@pytest.mark.parametrize("body", [b"", None, b'{"params": {}}'])
def test_trigger(client: Client, service: FakeService, body: Any) -> None:
    response = client.http.post("/api/workflow/trigger/exe_1", body=body)
    assert response.status_code == 202
    assert response.headers["Location"] == "/api/workflows/ins_1"
    assert response.json_body["instance_id"] == "ins_1"
    assert service.calls == [("trigger", "exe_1", body or b"", None)]


@pytest.mark.parametrize(("query", "seconds"), [("?wait=25", 25), ("?wait=0.5", 0.5)])
def test_a_trigger_that_waits(client: Client, service: FakeService, query: str, seconds: float) -> None:
    for body, status in ((None, 202), ('{"status":"FAILED","output":1.0}', 200)):
        service.finished = body
        response = client.http.post(f"/api/workflow/trigger/exe_1{query}", headers={"Idempotency-Key": "k-1"})
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Location"] == "/api/workflows/ins_1"
        assert service.calls.pop() == ("start", "exe_1", b"", "k-1", seconds, "")
        if status == 202:
            assert response.body == client.http.post("/api/workflow/trigger/exe_1").body
            service.calls.clear()
        else:
            assert response.body == b'{"status":"FAILED","output":1.0}'


def test_a_trigger_that_waits_for_no_time_does_not_wait(client: Client, service: FakeService) -> None:
    assert client.http.post("/api/workflow/trigger/exe_1?wait=0").status_code == 202
    assert service.calls == [("trigger", "exe_1", b"", None)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("wait=26", "a number of seconds from 0 to 25"),
        ("wait=-1", "from 0 to 25"),
        ("wait=nan", "from 0 to 25"),
        ("wait=x", "from 0 to 25"),
        ("wait=", "is empty"),
        ("wait=1&wait=1", "2 times: give it once"),
        ("waits=1", "did you mean `wait`?"),
    ],
)
def test_a_trigger_with_a_wait_that_is_no_number_of_seconds(
    client: Client, service: FakeService, query: str, says: str
) -> None:
    document = problem(client.http.post(f"/api/workflow/trigger/exe_1?{query}"), 422)
    [fault] = document["errors"]
    assert fault["pointer"] == f"/query/{query.split('=')[0]}" and says in fault["detail"]
    assert service.calls == []


@pytest.mark.parametrize(
    ("query", "seconds", "nodes"),
    [("", 0, True), ("?wait=0", 0, True), ("?wait=2.5&nodes=true", 2.5, True), ("?wait=25&nodes=false", 25, False)],
)
def test_status(client: Client, service: FakeService, query: str, seconds: float, nodes: bool) -> None:
    response = client.http.get(f"/api/workflows/ins_1{query}")
    assert response.status_code == 200
    assert response.json_body["status"] == "RUNNING"
    assert service.calls == [("status", "ins_1", seconds, nodes)]


def test_nodes_that_are_neither_true_nor_false(client: Client, service: FakeService) -> None:
    document = problem(client.http.get("/api/workflows/ins_1?nodes=no"), 422)
    assert document["errors"][0]["pointer"] == "/query/nodes" and service.calls == []


@pytest.mark.parametrize("wait", ["26", "-1", "nan", "inf", "x"])
def test_a_wait_that_is_no_number_of_seconds(client: Client, service: FakeService, wait: str) -> None:
    document = problem(client.http.get(f"/api/workflows/ins_1?wait={wait}"), 422)
    assert document["errors"][0]["pointer"] == "/query/wait"
    assert "0 to 25" in document["errors"][0]["detail"]
    assert service.calls == []


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_the_app_itself_refuses_other_pages(client: Client, service: FakeService, headers: dict[str, str]) -> None:
    """So `chalice local` does too, whose server is not ours."""
    document = problem(client.http.post("/api/workflow", body=b"{}", headers=headers), 403)
    assert document["type"] == "/api/docs#problem-refused" and service.calls == []


@pytest.mark.parametrize(
    ("target", "pointers", "says"),
    [
        ("/api/workflows?statuss=FAILED", ["/query/statuss"], "did you mean `status`?"),
        ("/api/workflows?Status=FAILED&limits=1", ["/query/Status", "/query/limits"], "did you mean `status`?"),
        ("/api/workflows?zzz=1", ["/query/zzz"], "use `status`, `execution_id`, `name`"),
        ("/api/workflows?status=FAILED&status=RUNNING", ["/query/status"], "2 times: give it once"),
        ("/api/workflows?execution_id=", ["/query/execution_id"], "is empty: give it a value, or leave it out"),
        ("/api/workflows?tag=a:b&tag=", ["/query/tag"], "is empty"),
        ("/api/workflows?tag=a:b&tag=a:c", ["/query/tag"], "two values of `a`"),
        ("/api/workflow?status=FAILED", ["/query/status"], "there is no parameter `status` here"),
        ("/api/workflows/ins_1?wait=", ["/query/wait"], "is empty"),
        ("/api/workflows/ins_1?waits=1", ["/query/waits"], "did you mean `wait`?"),
        ("/api/health?verbose=1", ["/query/verbose"], "leave it out"),
        ("/api/ui?x", ["/query/x"], "leave it out"),
        ("/api/docs/init.js?v=1", ["/query/v"], "leave it out"),
    ],
)
def test_a_parameter_that_nobody_takes(
    client: Client, service: FakeService, target: str, pointers: list[str], says: str
) -> None:
    document = problem(client.http.get(target), 422)
    assert [fault["pointer"] for fault in document["errors"]] == pointers
    assert says in document["errors"][0]["detail"] and service.calls == []


@pytest.mark.parametrize("target", ["/api/workflow?dry_run=true", "/api/workflows/x/rerun?wait=5"])
def test_other_posts_take_none(client: Client, service: FakeService, target: str) -> None:
    problem(client.http.post(target, body=b"{}"), 422)
    assert service.calls == []


def test_no_answer_has_thousands_of_faults(client: Client) -> None:
    query = "&".join(f"{number}=" for number in range(5000))
    assert len(problem(client.http.get(f"/api/workflows?{query}"), 422)["errors"]) == parameters.MOST


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress), ("identity", bytes), ("", bytes)],
)
def test_a_compressed_body(
    client: Client, service: FakeService, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    """API Gateway decompresses it on the way, so it is the same body there."""
    for body in (compress(b'{"name": 1}'), b'{"name": 1}'):
        client.http.post("/api/workflow", body=body, headers={"Content-Encoding": coding})
        assert service.calls.pop() == ("submit", b'{"name": 1}', None)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("br", b"{}", 415),
        ("gzip, gzip", b"{}", 415),
        ("gzip", gzip.compress(b"{}")[:-1], 415),
        ("gzip", gzip.compress(b"{}") + b"x", 415),
        ("gzip", b"\x1f\x8b", 415),
        ("deflate", zlib.compress(b"{}")[:-1], 415),
        ("gzip", gzip.compress(b" " * (requests.INFLATED_MAX_BYTES + 1)), 413),
        ("deflate", zlib.compress(b" " * (requests.INFLATED_MAX_BYTES + 1)), 413),
    ],
)
def test_what_is_not_compressed_as_it_says(
    client: Client, service: FakeService, coding: str, body: bytes, status: int
) -> None:
    problem(client.http.post("/api/workflow", body=body, headers={"Content-Encoding": coding}), status)
    assert service.calls == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_content_type_without_a_body_says_nothing(client: Client, method: str) -> None:
    path = "/api/health" if method == "GET" else "/api/workflow/nope"
    response = client.http.request(method, path, headers={"Content-Type": "text/plain"})
    assert response.status_code == (200 if method == "GET" else 404)


def test_what_the_path_captures_is_decoded_once(client: Client, service: FakeService) -> None:
    client.http.get("/api/workflows/ins%5F1")
    client.http.get("/api/workflows/ins%255F1")
    assert [call[1] for call in service.calls] == ["ins_1", "ins%5F1"]


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\n"])
def test_an_idempotency_key_that_is_not_visible_ascii(client: Client, service: FakeService, key: str) -> None:
    for path in ("/api/workflow", "/api/workflow/trigger/exe_1"):
        document = problem(client.http.post(path, body=b"{}", headers={"Idempotency-Key": key}), 422)
        assert document["errors"][0]["pointer"] == "/headers/Idempotency-Key"
    assert service.calls == []


def test_the_longest_idempotency_key(client: Client, service: FakeService) -> None:
    client.http.post("/api/workflow", body=b"{}", headers={"idempotency-key": "~" * 255})
    assert service.calls == [("submit", b"{}", "~" * 255)]


def test_results(client: Client, service: FakeService) -> None:
    response = client.http.get("/api/workflows/ins_1/results")
    assert response.status_code == 200
    assert response.json_body["output"] == {"a": 1}
    assert service.calls == [("results", "ins_1", None)]


@pytest.mark.parametrize(("healthy", "status"), [(True, 200), (False, 503)])
def test_health(client: Client, service: FakeService, healthy: bool, status: int) -> None:
    service.healthy = healthy
    response = client.http.get("/api/health")
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (errors.MalformedBody("line 1 column 2"), 400, None),
        (errors.NotFound("there is no such thing"), 404, None),
        (errors.StillRunning("ask again"), 409, "1"),
        (errors.BodyTooLarge("over 5 MB"), 413, None),
        (errors.IdempotencyConflict("use a new key"), 422, None),
    ],
)
@pytest.mark.parametrize("path", ["/api/workflows/x", "/api/workflows/x/results"])
def test_errors_that_are_raised_on_purpose(
    client: Client, service: FakeService, error: Exception, status: int, retry_after: str | None, path: str
) -> None:
    service.error = error
    response = client.http.get(path)
    document = problem(response, status)
    assert document["detail"] == str(error)
    assert document["type"].startswith("/api/docs#problem-")
    assert "errors" not in document
    assert response.headers.get("Retry-After") == retry_after


def test_every_fault_of_a_document_is_shown(client: Client, service: FakeService) -> None:
    service.error = errors.InvalidDocument([errors.Problem("/name", "say it"), errors.Problem("/dag", "draw it")])
    document = problem(client.http.post("/api/workflow", body=b"{}"), 422)
    assert document["errors"] == [
        {"pointer": "/name", "detail": "say it"},
        {"pointer": "/dag", "detail": "draw it"},
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Unavailable("redis://user:secret@host"), 503),
        (ValueError("secret"), 500),
        (errors.TemplateError("secret"), 500),
    ],
)
def test_the_inside_is_logged_and_not_shown(
    client: Client, service: FakeService, caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    service.error = error
    response = client.http.post("/api/workflow/trigger/x")
    problem(response, status)
    assert b"secret" not in response.body
    assert response.headers.get("Retry-After") == ("5" if status == 503 else None)
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    if status == 503:
        assert (record.levelname, record.message) == ("WARNING", "unavailable")
        assert vars(record)["error"] == str(error)
    else:
        assert (record.levelname, record.message) == ("ERROR", "unexpected error in a request")
        assert record.exc_info is not None and record.exc_info[1] is error


def test_a_method_that_is_not_there(client: Client) -> None:
    response = client.http.put("/api/workflows/x")
    document = problem(response, 405)
    assert document["type"] == "about:blank"
    assert response.headers["Allow"] == "DELETE, GET"


def test_entry_points(service: FakeService) -> None:
    event = {"Records": [{"messageId": "1", "body": "{}", "receiptHandle": "r"}]}
    assert web.worker(event, "context")["of"] == ("worker", event, "context")
    assert web.dead_letters(event, None)["of"] == ("dead", event)
    with Client(web.app) as client:
        assert client.lambda_.invoke("scheduler", {"instance_id": "i"}).payload == {"handled": 3, "instance_id": "i"}
        event = client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
        assert client.lambda_.invoke("sweep", event).payload == {"instances": 1}
