"""Redirects: what is sent along, and where to. (tests/hostile/test_egress.py has the targets that are refused.)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.errors import DoNotRetry
from chalicelib.handlers.egress import HttpClient, _origin
from chalicelib.handlers.failures import CallFailed
from chalicelib.handlers.http_call import MAX_REDIRECTS
from tests.support.calls import call, ok
from tests.support.scripted import scripted

LIMIT = 100_000


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(allow_private=True, max_response_bytes=LIMIT)
    yield client
    client.close()


# What is sent along, and where to.

SECRETS = {
    "Authorization": "Bearer t",
    "Cookie": "c=1",
    "Proxy-Authorization": "p",
    "X-Api-Key": "k",
    "Host": "virtual.example",
    "Traceparent": "00-1-2-3",
}
PLAIN = {"Accept": "a/b", "Accept-Language": "en", "User-Agent": "me", "Content-Type": "text/x", "Idempotency-Key": "i"}


def moved(where: str, status: str = "307 Temporary Redirect") -> bytes:
    return ok("", f"Location: {where}", status=status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_port_is_another_server(client: HttpClient, status: int) -> None:
    with scripted(ok("b")) as other, scripted(moved(other.url + "/x", f"{status} Moved")) as script:
        call(client, script.url, method="POST", body="data", headers=SECRETS | PLAIN)
        for name in SECRETS:
            assert script.asked[0].header(name) == SECRETS[name]
            assert other.asked[0].header(name) == (f"127.0.0.1:{other.port}" if name == "Host" else None)
        kept = {name: value for name, value in PLAIN.items() if (status, name) != (303, "Content-Type")}
        assert {name: other.asked[0].header(name) for name in kept} == kept


def test_the_same_server_is_told_everything(client: HttpClient) -> None:
    with scripted(moved("/there"), moved("?again"), ok("b")) as script:
        call(client, script.url, method="PUT", body="data", headers=SECRETS | PLAIN)
        assert [asked.line for asked in script.asked] == ["PUT /", "PUT /there", "PUT /there?again"]
        for asked in script.asked:
            assert {name: asked.header(name) for name in SECRETS} == SECRETS


def test_what_was_dropped_does_not_come_back(client: HttpClient) -> None:
    with scripted(b"") as script, scripted(b"") as other:
        script.says[:] = [moved(other.url), ok("b")]
        other.says[:] = [moved(script.url + "/back")]
        call(client, script.url, headers=SECRETS)
        assert script.asked[1].line == "GET /back"
        assert [script.asked[1].header(name) for name in ("Authorization", "Cookie", "X-Api-Key")] == [None] * 3


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("http://h/", "http://h:80/x", True),
        ("http://h:80/", "http://H/x", True),
        ("https://h/", "https://h:443/x", True),
        ("http://h/", "http://h:81/", False),
        ("http://h:81/", "http://h/", False),
        ("http://h/", "https://h/", False),
        ("https://h/", "http://h/", False),
        ("https://h:80/", "http://h:80/", False),
        ("http://h/", "http://h.evil/", False),
        ("http://h/", "http://www.h/", False),
        ("http://h:99999/", "http://h:99999/", False),
    ],
)
def test_origins(before: str, after: str, same: bool) -> None:
    assert (_origin(before) == _origin(after)) is same


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        *((method, 303, "GET") for method in ("GET", "POST", "PUT", "DELETE")),
        ("HEAD", 303, "HEAD"),
        *(("POST", status, "POST") for status in (301, 302, 307, 308)),
        *((method, 307, method) for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")),
    ],
)
def test_methods_and_bodies(client: HttpClient, method: str, status: int, then: str) -> None:
    config: dict[str, Any] = {"method": method} | ({} if method in ("GET", "HEAD") else {"json": {"a": 1}})
    with scripted(moved("/x", f"{status} Moved"), ok("")) as script:
        call(client, script.url, headers={"Content-Language": "en"}, **config)
    sent, again = script.asked
    assert again.line == f"{then} /x"
    # A GET that replaces another method after a 303 has no body, and no headers about one.
    kept = (b"", None, None) if then != method else (sent.body, sent.header("Content-Type"), "en")
    if (method, status) == ("GET", 303):
        kept = (b"", None, None)
    assert (again.body, again.header("Content-Type"), again.header("Content-Language")) == kept


def test_how_many_redirects(client: HttpClient) -> None:
    with scripted(*[moved("/x")] * MAX_REDIRECTS, ok("b")) as script:
        assert call(client, script.url)["body"] == "b"
    with scripted(*[moved("/x")] * (MAX_REDIRECTS + 1), ok("b")) as script:
        with pytest.raises(DoNotRetry, match=f"redirects more than {MAX_REDIRECTS}"):
            call(client, script.url)
        assert len(script.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306])
def test_statuses_that_do_not_redirect(client: HttpClient, status: int) -> None:
    with scripted(moved("/x", f"{status} Here")) as script:
        assert call(client, script.url)["status"] == status
        assert len(script.asked) == 1


def test_redirects_to_several_places(client: HttpClient) -> None:
    differ = ok("", "Location: /a", "Location: /b", status="302 Found")
    with scripted(differ, ok("", "Location: /a", "Location: /a", status="302 Found"), ok("b")) as script:
        with pytest.raises(CallFailed, match="2 places"):
            call(client, script.url)
        assert call(client, script.url)["body"] == "b"
        assert script.asked[2].line == "GET /a"
