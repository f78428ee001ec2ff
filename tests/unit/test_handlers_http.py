"""`call_external_service` with real servers: its requests, its results, and the addresses that it refuses."""

from __future__ import annotations

import gzip
import ipaddress
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError
from urllib3.exceptions import ProtocolError

from chalicelib.errors import DoNotRetry
from chalicelib.handlers.addresses import AddressGuard, RefusedAddress
from chalicelib.handlers.api import Context
from chalicelib.handlers.egress import HttpClient
from chalicelib.handlers.failures import CallFailed, translated
from chalicelib.handlers.http_call import BadStatus, HttpCall, http_handler

LIMIT = 200_000


class Peer(BaseHTTPRequestHandler):
    """A server that does what the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        word, _, rest = self.path.lstrip("/").partition("/")
        word = word.partition("?")[0]
        length = int(self.headers.get("Content-Length") or 0)
        received = self.rfile.read(length).decode()
        if word == "echo":
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._answer(200, {"method": self.command, "path": self.path, "headers": headers, "body": received})
        elif word == "status":
            self._answer(int(rest), {"said": rest})
        elif word == "to":
            self._answer(302, {}, {"Location": rest})
        elif word == "loop":
            self._answer(302, {}, {"Location": "/loop"})
        elif word == "large":
            self._raw(200, b"x" * (LIMIT + 1), {"Content-Type": "text/plain"})
        elif word == "bomb":
            self._raw(200, gzip.compress(b"0" * 50_000_000), {"Content-Encoding": "gzip"})
        elif word == "binary":
            self._raw(200, b"\xff\xfe\x00", {"Content-Type": "application/octet-stream"})
        elif word == "latin":
            self._raw(200, "é".encode("latin-1"), {"Content-Type": "text/plain; charset=latin-1"})
        elif word == "slow":
            time.sleep(1)
            self._answer(200, {})
        elif word == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(20):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.1)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _raw(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(data)
            except OSError:
                self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Ignore clients that hang up, which are part of the tests."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with QuietServer(("127.0.0.1", 0), Peer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(allow_private=True, max_response_bytes=LIMIT)
    yield client
    client.close()


def call(client: HttpClient, seconds: float = 10, **config: Any) -> Any:
    end = time.monotonic() + seconds
    context = Context(
        instance_id="in-1",
        execution_id="ex-1",
        node_id="n",
        attempt=1,
        params={},
        results={},
        time_left=lambda: end - time.monotonic(),
        logger=logging.getLogger(),
    )
    return http_handler(lambda: client)(HttpCall.model_validate(config), context)


def test_get(client: HttpClient, base: str) -> None:
    answer = call(client, url=base + "/echo?a=1", query={"b": "x y", "c": [1]}, headers={"X-Mine": "yes"})
    assert answer["status"] == 200 and answer["headers"]["content-type"] == "application/json"
    assert answer["body"]["path"] == "/echo?a=1&b=x+y&c=%5B1%5D"
    assert answer["body"]["headers"]["x-mine"] == "yes"
    assert answer["body"]["headers"]["user-agent"].startswith("dag-service/")
    assert "idempotency-key" not in answer["body"]["headers"]


def test_post_json_carries_the_idempotency_key(client: HttpClient, base: str) -> None:
    body = call(client, url=base + "/echo", method="POST", json={"é": None})["body"]
    assert json.loads(body["body"]) == {"é": None}
    assert body["headers"]["content-type"] == "application/json"
    assert body["headers"]["idempotency-key"] == "in-1/n"
    mine = call(client, url=base + "/echo", method="PUT", body="raw", headers={"Idempotency-Key": "k"})["body"]
    assert mine["headers"]["idempotency-key"] == "k" and mine["body"] == "raw"


def test_bodies(client: HttpClient, base: str) -> None:
    assert call(client, url=base + "/binary")["encoding"] == "base64"
    assert call(client, url=base + "/latin")["body"] == "é"
    assert call(client, url=base + "/echo", method="HEAD")["body"] is None


@pytest.mark.parametrize(("status", "error"), [(500, BadStatus), (503, BadStatus), (429, BadStatus), (404, DoNotRetry)])
def test_statuses(client: HttpClient, base: str, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"answered {status}"):
        call(client, url=f"{base}/status/{status}")
    assert call(client, url=f"{base}/status/{status}", raise_for_status=False)["status"] == status


def test_redirects(client: HttpClient, base: str) -> None:
    assert call(client, url=f"{base}/to/{base}/echo")["status"] == 200
    assert call(client, url=f"{base}/to/{base}/echo", follow_redirects=False)["status"] == 302
    with pytest.raises(DoNotRetry, match="redirects more than"):
        call(client, url=base + "/loop")


def test_too_large_and_bombs(client: HttpClient, base: str) -> None:
    for path in ("/large", "/bomb"):
        with pytest.raises(DoNotRetry, match="larger than"):
            call(client, url=base + path)


def test_time(client: HttpClient, base: str) -> None:
    with pytest.raises(CallFailed, match="did not answer in time"):
        call(client, url=base + "/slow", read_timeout_seconds=0.2)
    started = time.monotonic()
    with pytest.raises(CallFailed, match="longer than"):
        call(client, seconds=0.4, url=base + "/drip")
    assert time.monotonic() - started < 1.5
    started = time.monotonic()
    with pytest.raises(CallFailed, match="longer than"):
        call(client, seconds=0.1, url=base + "/slow")
    assert time.monotonic() - started < 0.9


def test_an_error_without_a_known_cause_is_named() -> None:
    for error in (ProtocolError("odd"), ProtocolError("odd", OSError("reset"))):
        assert str(translated(error, "http://a.example/b")) == "the call to `a.example` failed: ProtocolError"


def test_nobody_there(client: HttpClient) -> None:
    with pytest.raises(CallFailed, match="refuses the connection"):
        call(client, url="http://127.0.0.1:1/")
    with pytest.raises(CallFailed, match="cannot be resolved"):
        call(client, url="http://no-such-host.invalid/")


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "example.com", "http://", "http://[::1/"])
def test_not_a_url(client: HttpClient, url: str) -> None:
    with pytest.raises(DoNotRetry, match="URL"):
        call(client, url=url)


@pytest.mark.parametrize("url", ["ftp://{}/", "http://{}:port/", "http://[{}%25lo]/", "http://{}../"])
def test_an_error_quotes_no_more_than_the_beginning_of_a_url(client: HttpClient, url: str) -> None:
    with pytest.raises(DoNotRetry) as caught:
        call(client, url=url.format("f" * 1000))
    assert len(str(caught.value).split("`")[1]) == 200


PRIVATE = [
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "0.0.0.0",
    "[::]",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00::1]",
    "[fec0::1]",
    "[3fff::1]",
    "192.88.99.1",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_refused(host: str) -> None:
    client = HttpClient(allow_private=False, max_response_bytes=LIMIT)
    with pytest.raises(RefusedAddress, match="not a public address"):
        call(client, url=f"http://{host}:1/")
    client.close()


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "168.63.129.16", "100.100.100.200"]
)
def test_the_metadata_address_is_never_called(client: HttpClient, host: str) -> None:
    with pytest.raises(RefusedAddress, match="credentials"):
        call(client, url=f"http://{host}/latest/meta-data/")


# IPv4-mapped, NAT64, 6to4 and Teredo, which inverts the bits.
CARRIERS: list[Callable[[int], int]] = [
    lambda ipv4: 0xFFFF << 32 | ipv4,
    lambda ipv4: 0x64_FF9B << 96 | ipv4,
    lambda ipv4: 0x2002 << 112 | ipv4 << 80,
    lambda ipv4: 0x2001_0000 << 96 | 0x0808_0808 << 64 | ipv4 ^ 0xFFFF_FFFF,
]


@pytest.mark.parametrize("carry", CARRIERS, ids=["mapped", "NAT64", "6to4", "Teredo"])
def test_an_ipv6_address_is_judged_by_the_ipv4_address_that_it_carries(carry: Callable[[int], int]) -> None:
    def address(ipv4: str, *, allow_private: bool) -> str:
        carrier = str(ipaddress.IPv6Address(carry(int(ipaddress.IPv4Address(ipv4)))))
        guard = AddressGuard(allow_private=allow_private, resolve=lambda host, port: [carrier])
        assert guard.address("a.example", 80) == carrier
        return carrier

    for private in (False, True):
        assert address("93.184.216.34", allow_private=private)
        with pytest.raises(RefusedAddress, match="clouds keep credentials there"):
            address("169.254.169.254", allow_private=private)
    assert address("10.0.0.1", allow_private=True)
    with pytest.raises(RefusedAddress, match="ALLOW_PRIVATE_ADDRESSES"):
        address("10.0.0.1", allow_private=False)


def test_the_zone_of_an_address_makes_it_no_other_one() -> None:
    guard = AddressGuard(allow_private=True, resolve=lambda host, port: ["fd00:ec2::254%eth0"])
    with pytest.raises(RefusedAddress, match="clouds keep credentials there"):
        guard.address("a.example", 80)


def test_a_name_that_resolves_to_a_private_address() -> None:
    for answer in (["10.1.2.3"], ["93.184.216.34", "127.0.0.1"]):
        resolve = lambda host, port, answer=answer: answer  # noqa: E731
        client = HttpClient(allow_private=False, max_response_bytes=LIMIT, resolve=resolve)
        with pytest.raises(RefusedAddress):
            call(client, url="http://innocent.example/")


def test_a_redirect_to_a_private_address(base: str) -> None:
    """The first host resolves to a public address, and its redirect leads inside."""
    port = int(base.rsplit(":", 1)[1])

    class First(HttpClient):
        pass

    seen: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        seen.append(host)
        return ["127.0.0.1"] if host == "first.example" else ["169.254.169.254"]

    client = First(allow_private=True, max_response_bytes=LIMIT, resolve=resolve)
    with pytest.raises(RefusedAddress):
        call(client, url=f"http://first.example:{port}/to/http://second.example/")
    assert seen == ["first.example", "second.example"]
    client.close()


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X\r\nY": "b"}, {"a b": "c"}, {"": "x"}, {"X": "\x00"}, {"X": "☃"}]
)
def test_header_injection_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HttpCall.model_validate({"url": "http://x/", "headers": headers})


def test_json_and_body_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        HttpCall.model_validate({"url": "http://x/", "json": 1, "body": "x"})
