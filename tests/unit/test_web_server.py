"""The local server: what it refuses, what it survives, and that it ends on request."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import app as web
from chalicelib.models.views import Health
from local import server as local_server

LIMIT = 100_000
HOST = "127.0.0.1"
CHUNKED = b"POST /api/workflow HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    health = Health(status="ok", store="ok", queue="ok", versions={})
    application = SimpleNamespace(health=SimpleNamespace(check=lambda: health), handlers={}, parts=[])
    monkeypatch.setattr("chalicelib.composition.application", lambda: application)
    monkeypatch.setattr(web.app, "__class__", web.app.__class__)  # creating the server changes it
    server = local_server.create(web.app, HOST, 0, max_body_bytes=LIMIT).server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection, *request: Any, **more: Any
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection.request(*request, **more)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=10) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_one_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    seen = set()
    for method, path, status in [
        ("GET", "/api/health", 200),
        ("HEAD", "/api/health", 200),
        ("GET", "/nowhere", 404),
        ("HEAD", "/nowhere", 404),
        ("PUT", "/api/health", 405),
        ("HEAD", "/api/workflow/trigger/x", 405),
        ("OPTIONS", "/api/health", 405),
        ("GET", "/api/docs", 200),
    ]:
        assert ask(connection, method, path)[0] == status
        assert connection.sock is not None
        seen.add(connection.sock.getsockname())
    assert len(seen) == 1


def test_an_unknown_path_is_a_problem(connection: http.client.HTTPConnection) -> None:
    _, headers, body = ask(connection, "GET", "/nowhere")
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == 404


@pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT])
def test_a_large_body_is_refused_before_it_is_read(connection: http.client.HTTPConnection, size: int) -> None:
    status, headers, body = ask(connection, "POST", "/api/workflow", body=b" " * size)
    assert (status, headers["Content-Type"], headers["Connection"]) == (413, "application/problem+json", "close")
    assert str(LIMIT) in json.loads(body)["detail"]


def test_expect_100_continue(port: int) -> None:
    head = b"GET /api/health HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection((HOST, port), timeout=10) as client:
        client.sendall(head % 2)
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    with socket.create_connection((HOST, port), timeout=10) as client:
        client.sendall(head % (LIMIT + 1))
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"POST /api/workflow HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /api/workflow HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"POST /api/workflow HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (CHUNKED + b"\r\n{}", 400),
        (CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n", 400),
        (CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n", 400),
        (CHUNKED + b"\r\n2\r\n{}0\r\n\r\n", 400),
        (CHUNKED + b"\r\n3\r\n{}", 400),
        (CHUNKED + b"\r\n2\r\n{}\r\n", 400),
        (CHUNKED + b"\r\n2\r\n{}\r\n0\r\n", 400),
        (CHUNKED + b"\r\n%x\r\n" % (LIMIT + 1), 413),
        (CHUNKED + b"\r\n" + b"1;" + b"x" * 2000 + b"\r\n \r\n", 400),
        (CHUNKED + b"\r\n0\r\n" + b"X: y\r\n" * 200_000, 400),
        (b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nAuthorization: \xe9\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 404),
    ],
)
def test_malformed_requests(port: int, request_: bytes, status: int) -> None:
    head, _, body = raw(port, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_a_body_in_chunks_and_the_request_behind_it(connection: http.client.HTTPConnection) -> None:
    """Trailers and extensions are ignored; http.client sends an iterable in chunks."""
    for chunks in [(b"{", b"}"), (b"x" * 70_000,), (b"x",) * 1000, ()]:
        assert ask(connection, "GET", "/api/health", body=iter(chunks), encode_chunked=True)[0] == 200
        sock = connection.sock
        assert sock is not None
        sock.sendall(
            b"GET /api/health HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\n{}\r\n000\r\nX: y\r\n\r\n"
        )
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == 200 and response.read()


def test_nothing_has_no_length(connection: http.client.HTTPConnection) -> None:
    """RFC 9110, 8.6: a length of 0 in a 304 would be taken for the length of what the client has."""
    _, first, _ = ask(connection, "GET", "/api/docs/init.js")
    status, headers, body = ask(connection, "GET", "/api/docs/init.js", headers={"If-None-Match": first["ETag"]})
    assert (status, headers["Content-Length"], body) == (304, None, b"")


@pytest.mark.parametrize("request_", [b"", b"\r\n", b"GARBAGE\r\n\r\n", b"POST /api/workflow HTTP/1.1\r\nContent-Le"])
def test_it_lives_on_after_garbage(port: int, request_: bytes) -> None:
    raw(port, request_)
    assert raw(port, b"GET /api/health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Run a server that requires a request to be complete within 0.3 s. Yields its port."""
    monkeypatch.setattr(web.app, "__class__", web.app.__class__)
    server = local_server.create(web.app, HOST, 0, max_body_bytes=LIMIT, request_seconds=0.3).server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("beginning", "answer"),
    [
        (b"POST /api/workflow HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"HTTP/1.1 408 "),
        (b"POST /api/workflow HTTP/1.1\r\nX: ", b""),
        (b"PO", b""),
    ],
)
def test_a_request_that_drips_is_cut_off(hasty: int, beginning: bytes, answer: bytes) -> None:
    """Each byte arrives soon after the one before, and the request never ends."""
    with socket.create_connection((HOST, hasty), timeout=0.05) as client:
        client.sendall(beginning)
        received, end = b"", time.monotonic() + 10
        while time.monotonic() < end:
            try:
                client.sendall(b"x")
                if not (more := client.recv(65536)):
                    break
                received += more
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it was still listening after 10 s")
    assert received.startswith(answer) if answer else received == b""


def test_a_slow_request_leaves_time_to_the_next_on_its_connection(hasty: int) -> None:
    """The limit is for one request: a kept-alive connection lives longer."""
    connection = http.client.HTTPConnection(HOST, hasty, timeout=10)
    for _ in range(3):
        assert ask(connection, "GET", "/nowhere")[0] == 404
        sock = connection.sock
        assert sock is not None
        time.sleep(0.2)
        assert connection.sock is sock
    connection.close()


def test_the_page_is_compressed_for_who_accepts_it(connection: http.client.HTTPConnection) -> None:
    path = "/api/docs/swagger-ui.min.css"
    _, plain_headers, plain = ask(connection, "GET", path, headers={"Accept-Encoding": "identity"})
    _, headers, small = ask(connection, "GET", path, headers={"Accept-Encoding": "br, gzip"})
    assert plain_headers["Content-Encoding"] is None
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(small) == plain


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(signum: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "local.server"], env={**os.environ, "PORT": "0"}, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        # A connection that is kept alive must not hold it up.
        with socket.create_connection((HOST, port), timeout=10) as idle:
            idle.sendall(b"GET /api/docs HTTP/1.1\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200 ")
            process.send_signal(signum)
            assert process.wait(timeout=5) == 0
