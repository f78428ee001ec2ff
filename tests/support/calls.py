"""Calls of `call_external_service` to scripted servers, and the bytes that these send."""

from __future__ import annotations

import logging
import time
from typing import Any

from chalicelib.handlers.api import Context
from chalicelib.handlers.egress import HttpClient
from chalicelib.handlers.http_call import HttpCall, http_handler


def context(seconds: float = 10) -> Context:
    end = time.monotonic() + seconds
    return Context(
        instance_id="in-1",
        execution_id="ex-1",
        node_id="n",
        attempt=1,
        params={},
        results={},
        time_left=lambda: end - time.monotonic(),
        logger=logging.getLogger(),
    )


def call(client: HttpClient, url: str, seconds: float = 10, **config: Any) -> Any:
    return http_handler(lambda: client)(HttpCall.model_validate({"url": url, **config}), context(seconds))


def ok(body: bytes | str, *headers: str, status: str = "200 OK") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*filter(None, chunks), b""])
