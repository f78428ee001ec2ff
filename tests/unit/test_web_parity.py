"""The same bytes get the same answers from the local server and, as events, from the function behind API Gateway."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest

import app as web
from chalicelib.queues.memory import MemoryQueue
from local import server as local_server
from tests.support.harness import application
from tests.support.rest_api import Answer, RestApi

LIMIT = 100_000
RELEVANT = ("content-type", "location", "retry-after", "allow", "cache-control", "etag", "x-content-type-options")
WORKFLOW = json.dumps({"name": "ünï", "tags": {"a": "b c"}, "dag": {"nodes": [{"id": "a", "handler": "noop"}]}})
# What is different each time.
VOLATILE = re.compile(r"(ex|in)-[0-9a-f]{30}|\d{4}-\d\d-\d\dT[0-9:.]+Z")


def request(
    method: str, target: str, body: bytes = b"", *headers: str, version: str = "1.1", host: str = "localhost"
) -> bytes:
    length = [] if any("Transfer-Encoding" in header for header in headers) else [f"Content-Length: {len(body)}"]
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *headers, *length]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


GOOD = WORKFLOW.encode()
GET = [
    "/api/health",
    "/api/health/",
    "/api/health?x=1",
    "/api/workflow",
    "/api/workflow/",
    "/api/workflow/EXECUTION",
    "/api/workflow/nope",
    "/api/workflow/EXECUTION/plan",
    "/api/workflow/EXECUTION/plan?workers=2",
    "/api/workflow/EXECUTION/plan?workers=2&workers=3",
    "/api/workflow/EXECUTION/plan?worker=2",
    "/api/workflows",
    "/api/workflows?status=FAILED",
    "/api/workflows?status=",
    "/api/workflows?status",
    "/api/workflows?status=FAILED,COMPLETED",
    "/api/workflows?status=FAILED%2CCOMPLETED",
    "/api/workflows?status=failed",
    "/api/workflows?statuss=FAILED",
    "/api/workflows?status=FAILED&status=COMPLETED",
    "/api/workflows?Status=FAILED",
    "/api/workflows?st%61tus=FAILED",
    "/api/workflows?name=%C3%BCn%C3%AF",
    "/api/workflows?name=a+b%20c%2Bd",
    "/api/workflows?name=%ff",
    "/api/workflows?name=%",
    "/api/workflows?name=a;limit=1",
    "/api/workflows?tag=a:b+c&tag=a:b%20c",
    "/api/workflows?tag=a:b+c&tag=a:d",
    "/api/workflows?tag=a:b%20c&tag=x:y",
    "/api/workflows?tag=ab",
    "/api/workflows?limit=0&cursor=x&from=y",
    "/api/workflows?from=2026-01-01T00:00:00%2B01:00",
    "/api/workflows?from=2026-01-01T00:00:00+01:00",
    "/api/workflows?=x",
    "/api/workflows?&&",
    "/api/workflows/EXECUTION",
    "/api/workflows/EXECUTION/",
    "/api/workflows/EXECUTION?wait=0&nodes=false",
    "/api/workflows/EXECUTION?wait=",
    "/api/workflows/EXECUTION?wait=1&wait=0",
    "/api/workflows/%65x-ENCODED",
    "/api/workflows/a%2Fb",
    "/api/workflows/a%252Fb",
    "/api/workflows/%F0%9F%92%A9",
    "/api/workflows/%ff",
    "/api/workflows/EXECUTION/history?node=a&limit=5",
    "/api/workflows/EXECUTION/results/a?epoch=1&epoch=2",
    "/api/docs",
    "/api/docs/",
    "/api/docs/init.js",
    "/api/docs/nope.js",
    "/api/docs?utm_source=x",
    "/api/metrics",
    "http://localhost/api/workflows?limit=1",
]
POST = {
    "a workflow": request("POST", "/api/workflow", GOOD, "Content-Type: application/json"),
    "as curl sends it": request("POST", "/api/workflow", GOOD, "content-type: application/x-www-form-urlencoded"),
    "with no type": request("POST", "/api/workflow", GOOD),
    "as text": request("POST", "/api/workflow", GOOD, "CONTENT-TYPE: text/plain; charset=utf-8"),
    "as a binary type": request("POST", "/api/workflow", GOOD, "Content-Type: application/octet-stream"),
    "bytes as a binary type": request(
        "POST", "/api/workflow", b"\x00\xff\xfe{", "Content-Type: application/octet-stream"
    ),
    "with a query": request("POST", "/api/workflow?dry_run=true", GOOD),
    "in chunks": request(
        "POST",
        "/api/workflow",
        b"5\r\n" + GOOD[:5] + b"\r\n%x;x=y\r\n" % len(GOOD[5:]) + GOOD[5:] + b"\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked",
    ),
    "gzip": request("POST", "/api/workflow", gzip.compress(GOOD), "Content-Encoding: gzip"),
    "deflate": request("POST", "/api/workflow", zlib.compress(GOOD), "Content-Encoding: deflate"),
    "identity": request("POST", "/api/workflow", GOOD, "Content-Encoding: identity"),
    "nothing": request("POST", "/api/workflow"),
    "no JSON": request("POST", "/api/workflow", b"{"),
    "no workflow": request("POST", "/api/workflow", b"[1]"),
    "spaces": request("POST", "/api/workflow", b" \r\n "),
    "a mark of the order of bytes": request("POST", "/api/workflow", b"\xef\xbb\xbf" + GOOD),
    "a key": request("POST", "/api/workflow", GOOD, "idempotency-KEY: k-1"),
    "a key again": request("POST", "/api/workflow", GOOD + b" ", "Idempotency-Key: k-1"),
    "two keys": request("POST", "/api/workflow", GOOD, "Idempotency-Key: k 0", "Idempotency-Key: k-2"),
    "two keys, the last bad": request("POST", "/api/workflow", GOOD, "Idempotency-Key: k-3", "Idempotency-Key: k 4"),
    "an empty key": request("POST", "/api/workflow", GOOD, "Idempotency-Key:"),
    "a large body": request("POST", "/api/workflow", b"[" + b" " * (LIMIT - 2) + b"]"),
    "a body too large": request("POST", "/api/workflow", b" " * (LIMIT + 1)),
    "a trigger": request("POST", "/api/workflow/trigger/EXECUTION", b"{}"),
    "a trigger without a body": request("POST", "/api/workflow/trigger/EXECUTION/"),
    "a trigger that waits": request("POST", "/api/workflow/trigger/EXECUTION?w%61it=20", b"{}"),
    "a trigger that waits too long": request("POST", "/api/workflow/trigger/EXECUTION?wait=26", b"{}"),
    "a trigger that waits twice": request("POST", "/api/workflow/trigger/EXECUTION?wait=1&wait=1", b"{}"),
    "a trigger with another parameter": request("POST", "/api/workflow/trigger/EXECUTION?nodes=false", b"{}"),
    "a trigger of nothing": request("POST", "/api/workflow/trigger/nope", b"{}"),
    "a plan": request("POST", "/api/workflow/plan", GOOD),
    "a cancel of nothing": request("POST", "/api/workflows/nope/cancel"),
    "text with a GET": request("GET", "/api/workflows", b"", "Content-Type: text/plain"),
    "text with a DELETE": request("DELETE", "/api/workflow/nope", b"", "Content-Type: text/plain"),
    "no delete by filter": request("DELETE", "/api/workflows/nope?force=true"),
    "what is there already": request("GET", "/api/docs/init.js", b"", 'If-None-Match: "x", *'),
    "HTTP/1.0": request("GET", "/api/health", version="1.0"),
    "no Accept": request("GET", "/api/openapi.json", b"", "Accept: image/png"),
}
SAME = {f"GET {target}": request("GET", target) for target in GET} | POST

# What API Gateway answers by itself, or changes in a request, unlike the local server: (there, here).
OTHER = {
    "an unknown path": (request("GET", "/nowhere"), 403, 404),
    "an empty segment": (request("GET", "/api/workflows//results"), 403, 404),
    "a semicolon": (request("GET", "/api/health;x=1"), 403, 404),
    "the root": (request("GET", "/"), 403, 404),
    "HEAD": (request("HEAD", "/api/health"), 403, 200),
    "OPTIONS": (request("OPTIONS", "/api/health"), 403, 405),
    "an unknown method": (request("PUT", "/api/health"), 403, 405),
    "no gzip": (request("POST", "/api/workflow", GOOD, "Content-Encoding: gzip"), 415, 201),
    "half a gzip": (request("POST", "/api/workflow", gzip.compress(GOOD)[:-4], "Content-Encoding: gzip"), 415, 415),
    "br": (request("POST", "/api/workflow", GOOD, "Content-Encoding: br"), 415, 415),
    # It replaces what is not UTF-8, except in a body of a binary type.
    "latin-1": (request("POST", "/api/workflow", GOOD.decode("unicode-escape").encode("latin-1")), 201, 400),
    "a page of another origin": (request("GET", "/api/health", b"", "Origin: http://evil.example"), 200, 403),
    "another name": (request("GET", "/api/health", host="api.example.com"), 200, 403),
}


class Sides:
    """Both sides, with one store."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.gateway = RestApi(web.app, web.app.routes, web.app.api.binary_types)
        self.execution_id = json.loads(self.here(POST["a workflow"]).body)["execution_id"]

    def filled(self, raw: bytes) -> bytes:
        return raw.replace(b"EXECUTION", self.execution_id.encode()).replace(b"ex-ENCODED", self.execution_id.encode())

    def here(self, raw: bytes) -> Answer:
        with socket.create_connection(("127.0.0.1", self._port), timeout=20) as client:
            client.sendall(raw)
            answer = http.client.HTTPResponse(client, method=raw.split(b" ", 1)[0].decode())
            answer.begin()
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())

    def there(self, raw: bytes) -> Answer:
        """Send a request to the function, which accepts any name: its policy is the one of Lambda."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("chalicelib.web.origins.Policy.fault", lambda *_: None)
            return self.gateway.answer(raw)


@pytest.fixture
def sides(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    made = application(valkey_url, MemoryQueue(), max_body_bytes=LIMIT, first_hop_seconds=5)
    monkeypatch.setattr("chalicelib.composition.application", lambda: made)
    monkeypatch.setattr(web.app, "__class__", web.app.__class__)  # creating the server changes it
    server = local_server.create(web.app, "127.0.0.1", 0, max_body_bytes=LIMIT).server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with contextlib.ExitStack() as ending:
        ending.callback(server.server_close)
        ending.callback(thread.join)
        ending.callback(server.shutdown)
        ending.callback(made.redis.flushdb)
        yield Sides(server.server_port)


def seen(answer: Answer) -> tuple[int, dict[str, str], str]:
    body = VOLATILE.sub("*", answer.body.decode())
    if "json" in answer.headers.get("content-type", ""):
        document = json.loads(body)
        for name in ("counts", "load", "instances", "workflows", "next"):  # the other side has added entries
            document.pop(name, None)
        body = json.dumps(document)
    headers = {name: VOLATILE.sub("*", answer.headers[name]) for name in RELEVANT if name in answer.headers}
    if answer.status in (204, 304):
        headers.pop("content-type", None)
    return answer.status, headers, body


def test_the_same_request_gets_the_same_answer(sides: Sides) -> None:
    """Ids, times and counts of lists are removed, since both sides add to one store."""
    different = {}
    for name, raw in SAME.items():
        raw = sides.filled(raw)
        there, here = seen(sides.there(raw)), seen(sides.here(raw))
        if there != here:
            different[name] = (there, here)
        assert here[0] < 500, (name, here)
        if name == "a trigger that waits":
            assert here[0] == 200 and '"output": {"a": null}' in here[2], here
    assert not different


@pytest.mark.parametrize("name", OTHER)
def test_what_api_gateway_does_otherwise(sides: Sides, name: str) -> None:
    raw, there, here = OTHER[name]
    raw = sides.filled(raw)
    assert (sides.there(raw).status, sides.here(raw).status) == (there, here)
