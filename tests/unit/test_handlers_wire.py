"""Answers of services byte by byte: no call gets the answer to another one, and half an answer is none."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from chalicelib.errors import DoNotRetry
from chalicelib.handlers.egress import HttpClient
from chalicelib.handlers.failures import CallFailed
from chalicelib.handlers.webhook import WebhookCall, webhook_handler
from cli.client import Client
from cli.profiles import Profile
from doctor import service
from tests.support.calls import call, chunked, context, head, ok
from tests.support.harness import wait_until
from tests.support.scripted import Say, scripted

LIMIT = 100_000


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(allow_private=True, max_response_bytes=LIMIT)
    yield client
    client.close()


def call_webhook(client: HttpClient, url: str) -> object:
    return webhook_handler(lambda: client)(WebhookCall(url=url, body=1), context())


STOLEN = ok("stolen")


def trusted(client: HttpClient) -> ssl.SSLContext:
    """TLS for a server, whose certificate the client trusts."""
    authority = trustme.CA()
    server, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(trust)
    client._pools.connection_pool_kw["ssl_context"] = trust
    return server


# After an answer with a certain end, the connection is used for the next call.


@pytest.mark.parametrize(
    "first",
    [
        ok("a"),
        ok(""),
        head("Content-Length: 1, 1") + b"a",
        head("Content-Length: 1", "Content-Length: 1") + b"a",
        head("Transfer-Encoding: chunked") + chunked(b"a" * 10, b"b"),
        head("Transfer-Encoding: Chunked") + b"1;name=value\r\na\r\n0\r\nX-Trailer: 1\r\n\r\n",
    ],
)
def test_a_connection_is_used_again(client: HttpClient, first: bytes) -> None:
    with scripted(first, ok("b")) as script:
        call(client, script.url)
        assert call(client, script.url)["body"] == "b"
        assert script.connections == [0, 0]


# Interim answers (RFC 9110, section 15.2) are skipped, however many.


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 Whatever"])
@pytest.mark.parametrize("times", [1, 3])
def test_interim_answers(client: HttpClient, interim: str, times: int) -> None:
    before = head("Link: </style.css>; rel=preload", status=interim) * times
    with scripted(before + ok("a", "X-Which: final"), ok("b")) as script:
        answer = call(client, script.url)
        assert (answer["status"], answer["body"], answer["headers"].get("x-which")) == (200, "a", "final")
        assert "link" not in answer["headers"]
        assert call(client, script.url)["body"] == "b"


def test_a_slow_service_that_says_it_is_at_work(client: HttpClient) -> None:
    """The interim answer arrives alone, and the answer later."""
    with scripted(head(status="102 Processing"), ok("b")) as script:
        failed: list[Any] = []

        def ask() -> None:
            failed.append(call(client, script.url)["body"])

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        wait_until(lambda: script.asked)
        script.late(0, ok("a"))
        thread.join(10)
        assert failed == ["a"]
        assert call(client, script.url)["body"] == "b"


def test_interim_answers_without_end(client: HttpClient) -> None:
    with (
        scripted(Say(head(status="102 Processing") * 50_000)) as script,
        pytest.raises(CallFailed, match="longer than"),
    ):
        call(client, script.url, seconds=1)


@pytest.mark.parametrize("end", ["", "fin"])
def test_an_interim_answer_alone(client: HttpClient, end: str) -> None:
    with scripted(Say(head(status="103 Early Hints"), end)) as script, pytest.raises(CallFailed):
        call(client, script.url, seconds=1)


def test_another_protocol_that_nobody_asked_for(client: HttpClient) -> None:
    with scripted(head("Upgrade: x", status="101 Switching Protocols") + STOLEN, ok("b")) as script:
        with pytest.raises(CallFailed, match="another protocol"):
            call(client, script.url)
        assert call(client, script.url)["body"] == "b"
        assert script.connections == [0, 1]


# Whatever an answer leaves behind, the next call does not receive it.


@pytest.mark.parametrize(
    ("first", "method"),
    [
        (head(status="204 No Content"), "GET"),
        (head("Content-Length: 6", status="204 No Content"), "DELETE"),
        (head(status="304 Not Modified"), "GET"),
        (head("Content-Length: 6"), "HEAD"),
        (head("Content-Length: 0"), "HEAD"),
        (head("Content-Length: x"), "HEAD"),
        (head(), "HEAD"),
        (head("Transfer-Encoding: chunked"), "HEAD"),
        (head("Content-Length: 0", "Connection: close"), "GET"),
        (head("Content-Length: 0", "Connection: keep-alive", "Connection: close"), "GET"),
        (head("Content-Length: 0", "Connection: x, Close"), "GET"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9\r\n\r\n", "GET"),
        (head("Content-Length: 1", "Transfer-Encoding: chunked") + chunked(b"abc"), "GET"),
        (head("Content-Length: 1", "Transfer-Encoding: identity") + b"a", "GET"),
        (ok("a") + b"x", "GET"),
        (ok("a") + STOLEN, "GET"),
        (ok("") + b"\r\n", "GET"),
        (head("Transfer-Encoding: chunked") + chunked(b"a") + STOLEN, "GET"),
    ],
)
def test_what_is_not_certain_is_not_used_again(client: HttpClient, first: bytes, method: str) -> None:
    """The rest may arrive late or never, so only a connection of its own keeps the next call safe."""
    with scripted(first, ok("b")) as script:
        assert call(client, script.url, method=method, raise_for_status=False)["status"] in (200, 204, 304)
        assert call(client, script.url)["body"] == "b"
        assert script.connections == [0, 1]


def test_what_comes_between_two_calls(client: HttpClient) -> None:
    with scripted(ok("a"), ok("b")) as script:
        assert call(client, script.url)["body"] == "a"
        script.late(0, STOLEN)
        assert call(client, script.url)["body"] == "b"
        assert script.connections == [0, 1]


@pytest.mark.parametrize("together", [True, False])
def test_what_comes_between_two_calls_with_tls(client: HttpClient, together: bool) -> None:
    """Bytes in the same record or in another one are not visible at the socket."""
    tls = trusted(client)
    says = [ok("a" * 20_000 if together else "a") + (STOLEN if together else b""), ok("b"), ok("c")]
    with scripted(*says, tls=tls) as script:
        url = script.url.replace("http:", "https:")
        assert call(client, url)["body"].strip("a") == ""
        if not together:
            script.late(0, STOLEN)
        assert call(client, url)["body"] == "b"
        assert call(client, url)["body"] == "c"
        assert script.connections == [0, 1, 1]


def test_an_answer_over_tls_that_is_cut_off(client: HttpClient) -> None:
    """Without a length the answer ends with the connection, but only if the server closes TLS properly."""
    tls = trusted(client)
    with (
        scripted(Say(head("Connection: close") + b"half of", "fin"), tls=tls) as script,
        pytest.raises(CallFailed, match="TLS failed"),
    ):
        call(client, script.url.replace("http:", "https:"))


def test_calls_that_gave_up_leave_nothing(client: HttpClient) -> None:
    """The answer was too late, too large, or a redirect: it continues, and is not read."""
    half = head("Content-Length: 100") + b"half"
    large = head(f"Content-Length: {LIMIT + 100}") + b"x" * (LIMIT + 50)
    moved = head("Location: /there", "Content-Length: 100", status="302 Found") + b"half"
    with scripted(half, ok("b"), large, ok("c"), moved, ok("d"), b"HTT", ok("e")) as script:
        with pytest.raises(CallFailed):
            call(client, script.url, read_timeout_seconds=0.2)
        assert call(client, script.url)["body"] == "b"
        with pytest.raises(DoNotRetry, match="larger than"):
            call(client, script.url)
        assert call(client, script.url)["body"] == "c"
        assert call(client, script.url)["body"] == "d"
        with pytest.raises(CallFailed):
            call(client, script.url, read_timeout_seconds=0.2)
        assert call(client, script.url)["body"] == "e"
        # After those that were read to their end, b to d, the connection is used again.
        assert script.connections == [0, 1, 1, 2, 2, 3, 3, 4]


def test_a_head_that_drips(client: HttpClient) -> None:
    """Each byte arrives within the read timeout, but the whole only after the node's timeout."""
    with scripted(b"HTTP/1.1 200 OK\r\n") as script:
        stop = threading.Event()

        def drip() -> None:
            wait_until(lambda: script.asked)
            while not stop.wait(0.05):
                script.late(0, b"X-More: 1\r\nX")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        started = time.monotonic()
        with pytest.raises(CallFailed):
            call(client, script.url, seconds=0.6, read_timeout_seconds=0.5)
        assert time.monotonic() - started < 5
        stop.set()
        thread.join(10)


# Unreliable framing fails the call, which is retried by the node's policy.


@pytest.mark.parametrize(
    "said",
    [
        head("Content-Length: 5", "Content-Length: 7") + b"hello, you",
        head("Content-Length: 5, 7") + b"hello",
        head("Content-Length: -5") + b"hello",
        head("Content-Length: +5") + b"hello",
        head("Content-Length: 0x5") + b"hello",
        head("Content-Length: 1_0") + b"hello, you",
        head("Content-Length: ") + b"hello",
        head("Content-Length: five") + b"hello",
        head("Content-Length: 10") + b"hello",
        head("Transfer-Encoding: gzip, chunked") + chunked(gzip.compress(b"hello")),
        head("Transfer-Encoding: chunked, chunked") + chunked(chunked(b"hello")),
        head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunked(b"hello"),
        head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n",
        head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0",
        head("Transfer-Encoding: chunked") + b"5\r\nhel",
        head("Transfer-Encoding: chunked") + b"5\r\nhello, you\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"-5\r\nhello\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"0x5\r\nhello\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"0_5\r\nhello\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"\r\nhello\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\nhello",
        head("No header", "Content-Length: 5") + b"hello",
        head("Content-Length : 5") + b"hello",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
@pytest.mark.parametrize("make", [call, call_webhook], ids=["call_external_service", "webhook"])
def test_broken_answers_fail(client: HttpClient, said: bytes, make: Callable[[HttpClient, str], object]) -> None:
    with scripted(Say(said, "fin"), ok("b")) as script:
        with pytest.raises(CallFailed) as failed:
            make(client, script.url)
        assert "127.0.0.1" in str(failed.value)
        assert call(client, script.url)["body"] == "b"
        assert script.connections == [0, 1]


def test_an_answer_that_is_reset(client: HttpClient) -> None:
    with scripted(Say(head("Connection: close") + b"half of", "rst")) as script, pytest.raises(CallFailed):
        call(client, script.url)


def test_an_answer_that_ends_with_its_connection(client: HttpClient) -> None:
    with scripted(Say(head() + b"all of it", "fin")) as script:
        assert call(client, script.url)["body"] == "all of it"


# The framing of a request is right, whatever the node's headers are.


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": "3"}, {"content-length": "30"}, {"Transfer-Encoding": "chunked"}, {"TRANSFER-ENCODING": "x"}],
)
@pytest.mark.parametrize("body", [None, "abcGET /stolen HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_requests_are_one_request(client: HttpClient, headers: dict[str, str], body: str | None) -> None:
    with scripted(ok("a"), ok("b")) as script:
        call(client, script.url + "/a", method="POST", body=body, headers=headers)
        assert call(client, script.url + "/b")["body"] == "b"
    first, second = script.asked
    assert first.header("Content-Length") == str(len(body or "")) and first.body == (body or "").encode()
    assert first.header("Transfer-Encoding") is None
    assert second.line == "GET /b"


# The command line and the doctor have connections of their own.


@pytest.mark.parametrize("status", ["102 Processing", "103 Early Hints"])
def test_other_clients_wait_for_the_answer_as_well(status: str) -> None:
    answers = (ok(f'{{"n": {number}}}', "Content-Type: application/json") for number in range(3))
    with scripted(*(head(status=status) + answer for answer in answers)) as script:
        client = Client(Profile(script.url))
        assert [client.get("health"), client.get("health")] == [{"n": 0}, {"n": 1}]
        assert service.gather(script.url).body == {"n": 2}
