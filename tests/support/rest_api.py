"""API Gateway's REST API as AWS documents it: raw requests become proxy events, and the function's answers responses.

Amazon API Gateway Developer Guide: "Lambda proxy integrations in API Gateway", "Payload compression for REST APIs",
"Binary media types for REST APIs". Captures show that the path stays percent-encoded, that `headers` has the last value
of what is given twice, and that a trailing slash is not part of a path.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

Function = Callable[[dict[str, Any], Any], dict[str, Any]]
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "identity": bytes,
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # by names in lower case
    body: bytes


class RestApi:
    """API Gateway in front of `function`; `routes` has the methods by path."""

    def __init__(self, function: Function, routes: Mapping[str, Mapping[str, Any]], binary_types: list[str]) -> None:
        self._function = function
        self._routes = routes
        self._binary_types = binary_types

    def answer(self, raw: bytes) -> Answer:
        """Answer the bytes of one request. An answer that is not the function's has no body here."""
        head, _, body = raw.partition(b"\r\n\r\n")
        line, _, lines = head.partition(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = email.parser.Parser(policy=email.policy.HTTP).parsestr(lines.decode("latin-1") + "\r\n\r\n")
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            body = _dechunked(body)
        parts = urlsplit(target)
        found = self._match(parts.path)
        if found is None or method not in self._routes[found[0]]:
            return Answer(403, {"content-type": "application/json"}, b"")  # Missing Authentication Token
        coding = headers.get("Content-Encoding", "identity")
        try:
            body = _DECODERS[coding](body)
        except (KeyError, OSError, EOFError, zlib.error):
            return Answer(415, {"content-type": "application/json"}, b"")
        event = self._event(method, parts.path, parts.query, found, headers, body)
        context = SimpleNamespace(aws_request_id="r-1", invoked_function_arn="", function_name="f")
        return _response(self._function(json.loads(json.dumps(event)), context))

    def _match(self, path: str) -> tuple[str, dict[str, str]] | None:
        """Find the route of a path. A literal segment takes precedence over a captured one."""
        given = path.removesuffix("/").split("/")
        for route in sorted(self._routes, key=lambda route: route.count("{")):
            segments = route.split("/")
            pairs = list(zip(segments, given, strict=False))
            if len(segments) == len(given) and all(a == b or (a[:1] == "{" and b) for a, b in pairs):
                return route, {a[1:-1]: b for a, b in pairs if a[:1] == "{"}
        return None

    def _event(
        self, method: str, path: str, query: str, found: tuple[str, dict[str, str]], headers: Message, body: bytes
    ) -> dict[str, Any]:
        route, captured = found
        given = parse_qs(query, keep_blank_values=True) or None
        every: dict[str, list[str]] = {}
        for name, value in headers.items():
            every.setdefault(name, []).append(str(value))
        binary = headers.get("Content-Type", "") in self._binary_types
        return {
            "resource": route,
            "path": path,
            "httpMethod": method,
            "headers": {name: values[-1] for name, values in every.items()} or None,
            "multiValueHeaders": every or None,
            "queryStringParameters": given and {name: values[-1] for name, values in given.items()},
            "multiValueQueryStringParameters": given,
            "pathParameters": captured or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": route,
                "httpMethod": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "identity": {"sourceIp": "192.0.2.1"},
            },
            "body": (base64.b64encode(body).decode() if binary else body.decode("utf-8", "replace")) or None,
            "isBase64Encoded": binary,
        }


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not (length := int(size.split(b";")[0], 16)):
            return whole
        whole, body = whole + body[:length], body[length + 2 :]


def _response(answer: dict[str, Any]) -> Answer:
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    headers |= {name.lower(): ", ".join(values) for name, values in answer["multiValueHeaders"].items()}
    body = answer["body"]
    data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return Answer(answer["statusCode"], {"content-type": "application/json", **headers}, data)
