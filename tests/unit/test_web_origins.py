"""The pages and names that a local run admits, and what an admitted page can read, there and on API Gateway."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.config import Config
from chalice.deploy import validate
from chalice.deploy.swagger import SwaggerGenerator

from chalicelib import composition
from chalicelib.errors import BadSettings
from chalicelib.models.views import Health
from chalicelib.settings import Settings
from chalicelib.web import origins
from chalicelib.web.origins import Policy
from local import server as local_server
from local.config import child_environment
from tests.support import packaging
from tests.support.rest_api import RestApi

PAGE = "https://ops.example.com"
EVIL = "http://evil.example"
LOCAL = Policy(frozenset({"dev.example.com", "192.0.2.7"}), frozenset({PAGE}))
CROSS = {"sec-fetch-site": "cross-site"}
LINK = {**CROSS, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:8000", True),
        ("127.8.9.1", True),
        ("localhost:80", True),
        ("LocalHost.", True),
        ("[::1]:8000", True),
        ("", True),  # no browser leaves it out
        ("dev.example.com:8000", True),
        ("DEV.example.com", True),
        ("192.0.2.7", True),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example:80@localhost", False),
        ("localhost:8000, evil.example", False),
        ("192.0.2.8", False),
        ("0.0.0.0:8000", False),
        ("[::]:8000", False),
        (":8000", False),
        ("[::1", False),
    ],
)
def test_names(host: str, answered: bool) -> None:
    fault = LOCAL.fault("GET", {"host": host})
    assert fault is None if answered else fault and "ALLOWED_HOSTS" in fault


@pytest.mark.parametrize(
    ("method", "headers", "let_in"),
    [
        ("POST", {}, True),  # curl, dag
        ("POST", {"sec-fetch-site": "same-origin", "origin": "http://localhost:8000"}, True),
        ("POST", {"origin": "http://localhost:8000"}, True),
        ("GET", {"sec-fetch-site": "none"}, True),
        ("POST", {**CROSS, "origin": PAGE}, True),
        ("DELETE", {"origin": PAGE}, True),
        ("GET", LINK, True),
        ("POST", LINK, False),
        ("GET", {**LINK, "sec-fetch-dest": "iframe"}, False),
        ("GET", CROSS, False),
        ("POST", CROSS, False),
        ("POST", {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"}, False),
        ("GET", {"sec-fetch-site": "same-site"}, False),
        ("GET", {"sec-fetch-site": "whatever is to come"}, False),
        ("POST", {"origin": EVIL}, False),
        ("POST", {"origin": "null"}, False),
        ("POST", {"origin": ""}, False),
        ("POST", {"origin": "http://localhost:3000"}, False),
        ("POST", {"origin": "http://localhost"}, False),
        ("POST", {"origin": f"{PAGE}.evil.example"}, False),
        ("POST", {"origin": "http://ops.example.com"}, False),
        ("OPTIONS", {"origin": EVIL, "access-control-request-method": "POST"}, False),
    ],
)
def test_pages(method: str, headers: dict[str, str], let_in: bool) -> None:
    fault = LOCAL.fault(method, {"host": "localhost:8000", **headers})
    assert fault is None if let_in else fault and "CORS_ORIGINS" in fault


def test_a_page_below_a_name_that_was_pointed_here_is_refused_by_its_name() -> None:
    rebound = {"host": "evil.example:8000", "origin": "http://evil.example:8000", "sec-fetch-site": "same-origin"}
    assert "ALLOWED_HOSTS" in str(LOCAL.fault("POST", rebound))


@pytest.mark.parametrize("setting", ["*", "https://a.example/", "a.example", "https://a.example:x", "null", "file://"])
def test_what_is_no_origin_is_no_setting(setting: str) -> None:
    with pytest.raises(BadSettings, match=r"CORS_ORIGINS=.*https://name"):
        Settings.from_environment({"CORS_ORIGINS": setting})


@pytest.mark.parametrize("setting", ["*", "https://a.example", "a b", "a.example/x"])
def test_what_is_no_name_is_no_setting(setting: str) -> None:
    with pytest.raises(BadSettings, match=r"ALLOWED_HOSTS=.*no name"):
        Settings.from_environment({"ALLOWED_HOSTS": setting})


def test_where_any_name_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Lambda names are API Gateway's. Settings are read in any case, and with spaces."""
    monkeypatch.setenv("ALLOWED_HOSTS", "Dev.example.com, 192.0.2.7")
    monkeypatch.setenv("CORS_ORIGINS", f"{PAGE.upper()} ,")
    monkeypatch.delenv("_HANDLER", raising=False)
    assert composition.callers() == LOCAL
    monkeypatch.setenv("_HANDLER", "app.app")
    assert composition.callers() == Policy(None, LOCAL.origins)
    assert (
        composition.callers().fault("POST", {"host": "x.execute-api.eu-west-1.amazonaws.com", "origin": EVIL}) is None
    )


@pytest.mark.parametrize(("host", "allowed"), [("192.0.2.1", "a,192.0.2.1"), ("0.0.0.0", "a"), ("", "a")])
def test_a_local_run_answers_to_the_address_it_was_told_to_listen_on(host: str, allowed: str) -> None:
    made = child_environment({"HOST": host, "ALLOWED_HOSTS": "a"}, redis_url="r", endpoint_url="e")
    assert made["ALLOWED_HOSTS"] == allowed


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app as it is made if CORS_ORIGINS is set."""
    health = Health(status="ok", store="ok", queue="ok", versions={})
    application = SimpleNamespace(health=SimpleNamespace(check=lambda: health), handlers={}, parts=[])
    monkeypatch.setattr("chalicelib.composition.application", lambda: application)
    monkeypatch.setenv("CORS_ORIGINS", f"{PAGE},https://other.example")
    spec = importlib.util.spec_from_file_location("app_with_cors", Path(__file__).parents[2] / "app.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def gateway(shared: Any) -> RestApi:
    return RestApi(shared.app, shared.app.routes, shared.app.api.binary_types)


def test_api_gateway_asks_no_key_for_a_preflight(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """By `chalice package`, a preflight needs no key, since a browser sends none before it knows that it may."""
    monkeypatch.setenv("API_AUTH", "api_key")
    app = request.getfixturevalue("shared").app
    validate.validate_routes(app.routes)
    validate.validate_unique_function_names(Config(config_from_disk={}, user_provided_params={"chalice_app": app}))
    paths = SwaggerGenerator(
        "us-east-1", {"api_handler_arn": "arn:aws:lambda:us-east-1:1:function:f"}
    ).generate_swagger(app)["paths"]
    for path, methods in paths.items():
        assert "security" not in methods["options"]
        assert methods["options"]["x-amazon-apigateway-integration"]["type"] == "aws_proxy"
        names = [each["name"] for each in methods["options"].get("parameters", ()) if each["in"] == "path"]
        assert names == re.findall(r"{(.*?)}", path)
    assert "security" in paths["/api/workflow"]["post"]


def test_what_api_gateway_says_by_itself_can_be_read() -> None:
    responses = packaging.template("dev")["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    readable = {"ResponseParameters": {"Headers": {"Access-Control-Allow-Origin": "'*'"}}}
    assert responses == {"DEFAULT_4XX": readable, "DEFAULT_5XX": readable}


@pytest.fixture
def connection(shared: Any) -> Iterator[HTTPConnection]:
    server = local_server.create(shared.app, "127.0.0.1", 0, max_body_bytes=1000, callers=shared.CALLERS).server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    yield connection
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["local", "api_gateway"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Return a function that sends a request, and returns the status and the headers, with names in lower case."""
    connection: HTTPConnection
    gateway: RestApi

    def to_gateway(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, dict[str, str]]:
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        answer = gateway.answer("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return answer.status, dict(answer.headers)

    def to_server(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, dict[str, str]]:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}

    if request.param == "local":
        connection = request.getfixturevalue("connection")
        return to_server
    gateway = request.getfixturevalue("gateway")
    return to_gateway


@pytest.mark.parametrize("path", ["/api/workflow", "/api/workflow/ex-1", "/api/workflows/in-1/results/a"])
def test_a_preflight(ask: Any, path: str) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    status, headers = ask("OPTIONS", path, asked)
    assert status == 204 and headers["vary"] == "Origin"
    assert headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in headers
    assert headers["access-control-allow-methods"] == headers["allow"]
    assert {"GET", "OPTIONS"} <= set(headers["allow"].split(", "))
    assert {"x-api-key", "idempotency-key", "content-type", "authorization"} <= set(
        headers["access-control-allow-headers"].lower().split(", ")
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/api/health", b"", 200),
        ("GET", "/api/health?x=1", b"", 422),
        ("PUT", "/api/health", b"", 405),
        ("GET", "/api/workflows/nope/results?epoch=x", b"", 422),
        ("DELETE", "/api/workflow/nope", b"", 404),
        ("GET", "/api/metrics", b"", 500),
        ("GET", "/nowhere", b"", 404),
        ("POST", "/api/workflow", b" " * 1001, 413),
    ],
)
def test_a_page_can_read_answers_and_errors(ask: Any, method: str, path: str, body: bytes, expected: int) -> None:
    status, headers = ask(method, path, {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"}, body)
    if status == 403:
        return  # API Gateway answers this by itself: see GatewayResponses in resources.yaml
    if expected != 413 or status == 413:  # the app has no service here
        assert status == expected
    assert headers["access-control-allow-origin"] == "https://other.example"
    assert {"Location", "X-Request-Id", "Retry-After"} <= set(headers["access-control-expose-headers"].split(", "))
    assert headers["vary"] == "Origin"


def test_no_other_page_can_and_no_cache_mixes_them_up(ask: Any) -> None:
    """An answer without an allowed origin also says that it depends on the origin, since a cache may keep it."""
    for given in ({}, {"Origin": EVIL}):
        _, headers = ask("GET", "/api/health", given)
        assert headers["vary"] == "Origin"
        assert not [name for name in headers if name.startswith("access-control")]
    _, headers = ask("GET", "/api/docs/init.js", {"Origin": PAGE, "Accept-Encoding": "gzip"})
    assert "Origin" in headers["vary"]


def test_a_page_that_may_not_is_told_so(connection: HTTPConnection) -> None:
    connection.request("POST", "/api/workflow", b"{}", {"Origin": EVIL, "Content-Type": "text/plain"})
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    assert (answer.status, problem["type"]) == (403, "/api/docs#problem-refused")
    assert EVIL in problem["detail"] and "CORS_ORIGINS" in problem["detail"]


def test_loopback_names() -> None:
    assert all(map(origins.is_loopback, ["localhost", "127.0.0.1", "::1"]))
    assert not any(map(origins.is_loopback, ["", "0.0.0.0", "::", "example.com"]))
