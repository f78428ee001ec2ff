"""URLs that lead inside the network: nodes of a real worker fail at once, with a reason, and no connection is made.

The name server and the network are fakes: a name's answers are listed here, one public address is a server of this
test, and a connection to any other is an escape.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
import urllib3.util.connection

from chalicelib.errors import DoNotRetry
from chalicelib.handlers.addresses import resolve_host
from chalicelib.handlers.egress import HttpClient
from chalicelib.handlers.http_call import MAX_REDIRECTS, http_handler
from chalicelib.queues.memory import MemoryQueue
from tests.support.harness import application, drain, run

PUBLIC = "93.184.216.34"


class Redirects(BaseHTTPRequestHandler):
    """Redirects each request to the URL in its path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(self.path)
        if path == "/endless":
            self.send_response(302)
            self.send_header("Location", "/endless")
            self.end_headers()
            # No length: it continues until the client closes the connection.
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65536)
            self.close_connection = True
            return
        if path == "/headers":
            body = json.dumps([name.lower() for name in self.headers]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        where = path.removeprefix("/to/")
        self.send_response(302 if where != path else 200)
        if where != path:
            self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@dataclass
class Network:
    """Records the names that were resolved, and the addresses that were connected to."""

    port: int
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> list[str]:
        """Return a name's answers in turn, the last one for ever; an address in any form is read by the system."""
        self.asked.append(host)
        if host not in self.names:
            return resolve_host(host, port)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        self.connected.append(address[0])
        if address[0] != PUBLIC:
            raise OSError("this is not to be connected to")
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Redirects) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        network = Network(server.server_port, {"public.example": [[PUBLIC]]})
        monkeypatch.setattr(urllib3.util.connection, "create_connection", network.connect)
        yield network
        server.shutdown()


def ran(valkey_url: str, network: Network, urls: list[str]) -> list[dict[str, Any]]:
    """Run a node for each URL, with more attempts than it needs, to its end."""
    client = HttpClient(allow_private=False, max_response_bytes=1000, resolve=network.resolve)
    queue = MemoryQueue()
    app = application(valkey_url, queue, [http_handler(lambda: client)], retention_seconds=60)
    nodes = [
        {
            "id": f"n{number}",
            "handler": "call_external_service",
            "config": {"url": url},
            "retry_policy": {"max_attempts": 3, "initial_backoff_seconds": 0},
        }
        for number, url in enumerate(urls)
    ]
    instance_id = run(app, {"name": "hostile", "dag": {"nodes": nodes}})
    drain(app, queue)
    status = json.loads(app.status.of(instance_id).model_dump_json())
    client.close()
    return [status["nodes"][f"n{number}"] for number in range(len(urls))]


def refused(node: dict[str, Any], url: str, says: str) -> None:
    assert (node["status"], node["attempt"]) == ("FAILED", 1), (url, node)
    assert says in node["error"]["message"], (url, node)


INSIDE = [
    *(
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "%31%32%37.1",
    ),
    *("localhost", "LOCALHOST", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "198.18.0.1", "240.0.0.1"),
    *(
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "192.88.99.1",
    ),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b:1::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fec0::1]"),
    *("[fd00:ec2::254]", "[fd00::1]", "[ff02::1]", "[3fff::1]", "[2001:db8::1]", "[::ffff:a9fe:a9fe]"),
]
BAD_URLS = {
    "http://example.com@127.0.0.1/": "user name or password",
    "http://user:s3cret@public.example/": "user name or password",
    "http://1.1.1.1 &@2.2.2.2# @127.0.0.1/": "user name or password",
    "http://127.0.0.1\\@public.example/": "not a public address",
    "http://127.0.0.1#@public.example/": "not a public address",
    "http://127.0.0.1?@public.example/": "not a public address",
    "http://[fe80::1%25lo]/": "network interface",
    "http://[::1%25lo]/": "network interface",
    "http://[::1%lo]/": "network interface",
    "http://.../": "not a host name",
    "http://①②⑦.0.0.1/": "not a URL",
    "http://public.example:99999/": "not a URL",
    "http://public.example\r\n/": "not a URL",
    "http:///127.0.0.1/": "not an http:// or https:// URL",
    "http:\\\\127.0.0.1/": "not an http:// or https:// URL",
    "//127.0.0.1/": "not an http:// or https:// URL",
} | {
    f"{scheme}127.0.0.1/": "not an http:// or https:// URL"
    for scheme in (
        "file:///",
        "ftp://",
        "gopher://",
        "dict://",
        "ldap://",
        "unix://",
        "http+unix://",
        "data:",
        "jar:http://",
    )
}


def test_addresses_inside(valkey_url: str, network: Network) -> None:
    urls = [f"http://{host}/" for host in INSIDE]
    for url, node in zip(urls, ran(valkey_url, network, urls), strict=True):
        refused(node, url, "not a public address")
    assert network.connected == []


def test_bad_urls(valkey_url: str, network: Network) -> None:
    for url, node in zip(BAD_URLS, ran(valkey_url, network, list(BAD_URLS)), strict=True):
        refused(node, url, BAD_URLS[url])
        assert "s3cret" not in node["error"]["message"]
    assert network.connected == []


def test_names_of_addresses_inside(valkey_url: str, network: Network) -> None:
    network.names |= {"inside.example": [["10.0.0.1"]], "mixed.example": [[PUBLIC, "::1"]], "v6.example": [["fd00::1"]]}
    urls = [f"https://{name}/" for name in ("inside.example", "mixed.example", "v6.example")]
    for url, node in zip(urls, ran(valkey_url, network, urls), strict=True):
        refused(node, url, "not a public address")
    assert network.connected == []


def test_redirects_inside(valkey_url: str, network: Network) -> None:
    """The first request is sent; the target of its redirect is refused like any other."""
    network.names["inside.example"] = [["192.168.1.1"]]
    inside = [*INSIDE, "inside.example"]
    urls = [f"http://public.example/to/http://{host}/" for host in inside]
    for url, node in zip(urls, ran(valkey_url, network, urls), strict=True):
        refused(node, url, "not a public address")
    assert set(network.connected) == {PUBLIC}


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://[::1", "//127.0.0.1/", "\\\\127.0.0.1\\"]
)
def test_redirects_to_nonsense(valkey_url: str, network: Network, where: str) -> None:
    node = ran(valkey_url, network, [f"http://public.example/to/{where}"])[0]
    assert (node["status"], node["attempt"]) == ("FAILED", 1), node
    assert set(network.connected) == {PUBLIC}


def test_redirects_that_never_end(network: Network) -> None:
    """The body of a redirecting answer is not read, so its length does not matter."""
    client = HttpClient(allow_private=False, max_response_bytes=1000, resolve=network.resolve)
    started = time.monotonic()
    with pytest.raises(DoNotRetry, match="redirects more than"):
        client.request(
            "GET",
            "http://public.example/endless",
            headers={},
            body=None,
            connect_timeout=5,
            read_timeout=5,
            deadline=started + 30,
            redirects=MAX_REDIRECTS,
        )
    assert time.monotonic() - started < 10
    client.close()


def test_secrets_stay_with_the_server_they_are_for(network: Network) -> None:
    network.names["other.example"] = [[PUBLIC]]
    client = HttpClient(allow_private=False, max_response_bytes=1000, resolve=network.resolve)
    for where, kept in (("/headers", True), ("http://other.example/headers", False)):
        answer = client.request(
            "GET",
            f"http://public.example/to/{where}",
            headers={"Authorization": "Bearer t", "X-Api-Key": "k", "X-Other": "o", "Accept-Language": "en"},
            body=None,
            connect_timeout=5,
            read_timeout=5,
            deadline=time.monotonic() + 30,
            redirects=MAX_REDIRECTS,
        )
        arrived = json.loads(answer.body)
        # A secret may be in any header, so only headers that never hold one are sent to another origin.
        assert [name in arrived for name in ("authorization", "x-api-key", "x-other")] == [kept] * 3
        assert "accept-language" in arrived
    client.close()


def test_a_name_whose_answer_changes(valkey_url: str, network: Network) -> None:
    """Against rebinding, a connection is made to the address that was checked, and each connection is checked."""
    network.names["changes.example"] = [[PUBLIC], ["127.0.0.1"]]
    url = "http://changes.example/to/http://changes.example:81/"
    refused(ran(valkey_url, network, [url])[0], url, "not a public address")
    assert network.asked == ["changes.example", "changes.example"]
    assert network.connected == [PUBLIC]


def test_what_is_public_is_called(valkey_url: str, network: Network) -> None:
    node = ran(valkey_url, network, ["http://public.example/to/http://public.example/"])[0]
    assert node["status"] == "COMPLETED", node
    assert set(network.connected) == {PUBLIC}
