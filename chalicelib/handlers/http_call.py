"""`call_external_service`: an HTTP call."""

from __future__ import annotations

import base64
import codecs
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from pydantic import ConfigDict, Field, field_validator, model_validator

from chalicelib import __version__
from chalicelib.core import strictjson, text
from chalicelib.core.handler import Handler
from chalicelib.errors import DoNotRetry
from chalicelib.handlers.api import Config, Context, handler

if TYPE_CHECKING:
    from chalicelib.handlers.egress import Answer, HttpClient

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# Codecs of Python that are no IANA charsets: some are slow, some warn at each use.
_NO_CHARSETS = frozenset(
    {"idna", "mbcs", "oem", "palmos", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
MAX_HEADERS = 100
MAX_REDIRECTS = 5
_RETRYABLE = frozenset({408, 425, 429})
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class HttpCall(Config):
    """`json` and `body` exclude each other. Timeouts are in seconds, and never outlast the node's own timeout."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    url: str = Field(min_length=1, max_length=8192)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, Any] = Field(default_factory=dict)
    json_body: Any = Field(None, alias="json")
    body: str | None = None
    connect_timeout_seconds: float = Field(5, gt=0, le=60)
    read_timeout_seconds: float = Field(30, gt=0, le=840)
    follow_redirects: bool = True
    raise_for_status: bool = True

    @field_validator("headers", mode="before")
    @classmethod
    def _not_too_many_headers(cls, headers: Any) -> Any:
        # Checked here, before pydantic validates each header.
        if isinstance(headers, dict) and len(headers) > MAX_HEADERS:
            raise ValueError(f"has {len(headers):,} headers; at most {MAX_HEADERS} are sent")
        return headers

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if "{{" in name or "{{" in value:
                continue  # the templates are not filled in yet: before the call this runs again
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"`{name[:60]!r}` is not the name of a header")
            if any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in value):
                raise ValueError(f"the value of header `{name}` holds a line break or a control character: remove it")
            try:
                value.encode("latin-1")
            except UnicodeEncodeError:
                raise ValueError(f"the value of header `{name}` holds a character that headers cannot carry") from None
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> HttpCall:
        if "json_body" in self.model_fields_set and self.body is not None:
            raise ValueError("`json` and `body` exclude each other: remove one")
        return self


class BadStatus(Exception):
    """The service answered with a status for which a retry may help."""


def http_handler(client: Callable[[], HttpClient]) -> Handler:
    """Make the handler. `client` makes the HTTP client, and is called at the first use."""

    @handler("call_external_service", waits=True)
    def call_external_service(config: HttpCall, context: Context) -> dict[str, Any]:
        """Makes an HTTP call; yields {status, headers, body}."""
        headers, body = _request(config, context)
        answer = client().request(
            config.method,
            _url(config),
            headers=headers,
            body=body,
            connect_timeout=config.connect_timeout_seconds,
            read_timeout=config.read_timeout_seconds,
            deadline=time.monotonic() + context.time_left(),
            redirects=MAX_REDIRECTS if config.follow_redirects else 0,
        )
        if config.raise_for_status and answer.status >= 400:
            _raise(answer, config)
        return {"status": answer.status, "headers": answer.headers} | decoded(answer)

    return call_external_service


def decoded(answer: Answer) -> dict[str, Any]:
    """{body}, parsed if it is JSON, else as text; {body, encoding: "base64"} if it is neither."""
    kind = answer.header("content-type").lower()
    media, _, parameters = kind.partition(";")
    media = media.strip()
    if media == "application/json" or media.endswith("+json"):
        try:
            return {"body": strictjson.received(answer.body)}
        except ValueError:
            if not answer.body:
                return {"body": None}
    try:
        return {"body": _text(answer.body, parameters)}
    except (LookupError, ValueError):
        return {"body": base64.b64encode(answer.body).decode(), "encoding": "base64"}


def _text(body: bytes, parameters: str) -> str:
    """Raises LookupError if the charset is not known, and ValueError if the body is not valid in it."""
    charset = re.search(r"charset=[\"']?([\w.:-]{1,40})", parameters)
    codec = codecs.lookup(charset[1] if charset else "utf-8").name
    if codec in _NO_CHARSETS:
        raise LookupError(codec)
    text = body.decode(codec)
    text.encode()  # raises for a lone surrogate, which UTF-7 can encode
    return text


def _request(config: HttpCall, context: Context) -> tuple[dict[str, str], bytes | None]:
    headers = dict(config.headers)
    names = {name.lower() for name in headers}
    if "user-agent" not in names:
        headers["User-Agent"] = f"dag-service/{__version__}"
    if "traceparent" not in names:
        headers |= context.trace_headers
    if config.method in _UNSAFE and "idempotency-key" not in names:
        headers["Idempotency-Key"] = context.idempotency_key
    if "json_body" in config.model_fields_set:
        if "content-type" not in names:
            headers["Content-Type"] = "application/json"
        return headers, strictjson.dumps(config.json_body).encode()
    return headers, None if config.body is None else config.body.encode()


def _url(config: HttpCall) -> str:
    if not config.query:
        return config.url
    pairs = {name: value if isinstance(value, str) else strictjson.dumps(value) for name, value in config.query.items()}
    base, hash_, fragment = config.url.partition("#")
    return f"{base}{'&' if '?' in base else '?'}{urlencode(pairs)}{hash_}{fragment}"


def _raise(answer: Answer, config: HttpCall) -> None:
    excerpt = text.beginning(answer.body, 300)
    message = f"{config.method} {config.url[:200]} answered {answer.status}: {excerpt}"
    if answer.status >= 500 or answer.status in _RETRYABLE:
        raise BadStatus(message)
    raise DoNotRetry(message)
