"""Requests that reach LocalStack and the servers of the local functions. tests/browser tries it with a browser."""

from __future__ import annotations

import contextlib
import http.client
from types import SimpleNamespace

import pytest

from local import visitors
from local.functions import server


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"host": "127.0.0.1:4566"}, False),
        ({"host": "sqs.us-east-1.localhost.localstack.cloud:4566"}, False),
        ({"host": "localhost", "sec-fetch-site": "same-origin"}, False),
        ({"host": "[::1]:4566", "sec-fetch-site": "none"}, False),
        ({"host": "127.0.0.1:4566", "sec-fetch-site": "cross-site"}, True),
        ({"host": "127.0.0.1:4566", "sec-fetch-site": "same-site"}, True),
        ({"host": "evil.example:4566"}, True),
        ({"host": "evillocalhost.localstack.cloud"}, True),
        ({"host": "localhost.localstack.cloud.evil.example"}, True),
        ({"host": "192.0.2.1:4566"}, True),
    ],
)
def test_localstack(headers: dict[str, str], refused: bool) -> None:
    ended: list[bool] = []
    response = SimpleNamespace(status_code=200)
    chain = SimpleNamespace(terminate=lambda: ended.append(True))
    visitors.refuse_others(chain, SimpleNamespace(request=SimpleNamespace(headers=headers)), response)
    assert (bool(ended), response.status_code) == (refused, 403 if refused else 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
    ],
)
def test_a_function_is_invoked_by_no_page(headers: dict[str, str], status: int) -> None:
    class Invoke(server.Handler):
        def do_POST(self) -> None:
            self.answer(200, self.body())

    with contextlib.closing(server.Server(Invoke)) as running:
        connection = http.client.HTTPConnection(running.address, timeout=10)
        connection.request("POST", "/", b"{}", headers)
        assert connection.getresponse().status == status
        connection.close()
