"""The service over HTTP: JSON in, JSON out, tried again where that is safe, and failures that say what to do."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from cli import failures, signing
from cli.failures import Exit, Failure
from cli.profiles import Profile

# Every POST of ours carries an Idempotency-Key or may be done twice: so all are tried again.
RETRIES = urllib3.Retry(
    total=3,
    connect=1,
    backoff_factor=0.3,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)
TIMEOUT = urllib3.Timeout(connect=5, read=40)  # a status waits for up to 25 s


class Transport(Protocol):
    """The part of urllib3.PoolManager that is used."""

    def request(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse: ...


class Client:
    """`profile` says where, and as whom. Every method answers the JSON, or raises Failure."""

    def __init__(self, profile: Profile, transport: Transport | None = None) -> None:
        self._profile = profile
        self._base = profile.url.rstrip("/").removesuffix("/api")
        self._transport = transport or urllib3.PoolManager(retries=RETRIES, timeout=TIMEOUT)
        if urlsplit(self._base).scheme not in ("http", "https"):
            raise Failure(Exit.INVALID, f"`{profile.url}` is no http:// or https:// URL")

    @property
    def where(self) -> str:
        return self._base

    def get(self, *path: str, accept: tuple[int, ...] = (), retry: bool = True, **query: Any) -> Any:
        """GET /api/`path`; a query parameter of None is left out, a list given several times.

        Statuses in `accept` are answers, not failures. Without `retry` a service that is away is said at once.
        """
        options: dict[str, Any] = {} if retry else {"retries": False}
        return self._call("GET", path, query, None, accept, {}, options)

    def post(self, *path: str, body: Any = None, raw: bytes | None = None, once: bool = False) -> Any:
        """POST JSON: `body`, or `raw` as it is. `once` sends an Idempotency-Key, so that trying again does it once."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": uuid.uuid4().hex} if once else {})
        return self._call("POST", path, {}, data, (), headers, {})

    def delete(self, *path: str) -> Any:
        return self._call("DELETE", path, {}, None, (), {}, {})

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, Any],
        body: bytes | None,
        accept: tuple[int, ...],
        given: dict[str, str],
        options: dict[str, Any],
    ) -> Any:
        url = "/".join([self._base, "api", *(quote(part, safe="") for part in path)])
        asked = {name: value for name, value in query.items() if value is not None}
        if asked:  # as a signature wants it: no `+` for a space
            url += "?" + urlencode(asked, doseq=True, quote_via=quote, safe="")
        headers = signing.headers(self._profile, method, url, body, {"Accept": "application/json", **given})
        try:
            answer = self._transport.request(method, url, body=body, headers=headers, redirect=False, **options)
        except urllib3.exceptions.HTTPError as error:
            raise Failure(
                Exit.UNREACHABLE, f"{self._base} does not answer ({_reason(error)}). {self._remedy}"
            ) from error
        document = _document(answer.data)
        if answer.status < 300 or answer.status in accept:
            if isinstance(document, str):
                raise Failure(Exit.SERVER, f"{self._base} answers, but not in JSON: is it a dag-service?")
            return document
        raise failures.of_answer(answer.status, document, what=f"{method} {urlsplit(url).path}")

    @property
    def _remedy(self) -> str:
        if urlsplit(self._base).hostname in ("127.0.0.1", "localhost"):
            return "Is `make run` running? `dag doctor` looks further."
        return "Is the URL right (`dag profile list`)?"


def _document(data: bytes) -> Any:
    """JSON, or the text that is none; None for nothing."""
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    """In a few words: urllib3 says it with the pool and the whole URL."""
    text = str(getattr(error, "reason", None) or error)
    return re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", text)
