"""The client of the service: JSON in, JSON out, with retries, and failures that say what to do."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from cli import failures, signing, wire
from cli.failures import Exit, Failure
from cli.profiles import Profile

# Every POST of `dag` carries an Idempotency-Key or may be done twice, so all methods are retried.
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
    """Calls the service of `profile`. Every method returns the answer's JSON, or raises Failure."""

    def __init__(self, profile: Profile, transport: Transport | None = None) -> None:
        self._profile = profile
        self._base = profile.url.rstrip("/").removesuffix("/api")
        self._transport = transport or wire.pools(retries=RETRIES, timeout=TIMEOUT)
        if urlsplit(self._base).scheme not in ("http", "https"):
            raise Failure(Exit.INVALID, f"`{profile.url}` is no http:// or https:// URL")

    @property
    def where(self) -> str:
        return self._base

    def get(self, *path: str, accept: tuple[int, ...] = (), retry: bool = True, **query: Any) -> Any:
        """GET /api/`path`. A query parameter of None is left out, one with a list is repeated.

        Statuses in `accept` are answers, not failures. Without `retry` an unreachable service is reported at once.
        """
        options: dict[str, Any] = {} if retry else {"retries": False}
        return self._call("GET", path, query, None, accept, {}, options)

    def value(self, *path: str, **query: Any) -> Any:
        """GET any JSON, also behind a redirect (303), where no key or signature is sent."""
        answer = self._ask("GET", path, query, None, {}, {})
        if answer.status == HTTPStatus.SEE_OTHER and (where := answer.headers.get("Location")):
            with self._reaching(urlsplit(where).netloc):
                answer = self._transport.request("GET", where, body=None, headers={}, redirect=False)
        if answer.status >= 300:
            raise failures.of_answer(answer.status, _document(answer.data), what=f"GET {self._path(path)}")
        try:
            return json.loads(answer.data)
        except (ValueError, RecursionError) as error:
            raise self._not_json() from error

    def post(self, *path: str, body: Any = None, raw: bytes | None = None, once: bool = False, **query: Any) -> Any:
        """POST JSON: `body`, or `raw` as it is. With `once` an Idempotency-Key makes sure that retries do it once."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": uuid.uuid4().hex} if once else {})
        return self._call("POST", path, query, data, (), headers, {})

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
        answer = self._ask(method, path, query, body, given, options)
        document = _document(answer.data)
        if answer.status < 300 or answer.status in accept:
            # The service answers with an object, or with nothing: anything else is from some other program.
            if document is not None and not isinstance(document, dict):
                raise self._not_json()
            return document
        raise failures.of_answer(answer.status, document, what=f"{method} {self._path(path)}")

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, Any],
        body: bytes | None,
        given: dict[str, str],
        options: dict[str, Any],
    ) -> Any:
        url = self._base.removesuffix(urlsplit(self._base).path) + self._path(path)
        asked = {name: value for name, value in query.items() if value is not None}
        if asked:  # SigV4 does not accept `+` for a space
            url += "?" + urlencode(asked, doseq=True, quote_via=quote, safe="")
        headers = signing.headers(self._profile, method, url, body, {"Accept": "application/json", **given})
        with self._reaching(self._base):
            return self._transport.request(method, url, body=body, headers=headers, redirect=False, **options)

    @contextlib.contextmanager
    def _reaching(self, where: str) -> Iterator[None]:
        try:
            yield
        except urllib3.exceptions.HTTPError as error:
            raise Failure(Exit.UNREACHABLE, f"{where} does not answer ({_reason(error)}). {self._remedy}") from error

    def _not_json(self) -> Failure:
        return Failure(Exit.SERVER, f"{self._base} answers, but not as a dag-service does: is it one?")

    def _path(self, parts: tuple[str, ...]) -> str:
        return "/".join([urlsplit(self._base).path, "api", *(quote(part, safe="") for part in parts)])

    @property
    def _remedy(self) -> str:
        if urlsplit(self._base).hostname in ("127.0.0.1", "localhost"):
            return "Is `make run` running? `dag doctor` looks further."
        return "Is the URL right (`dag profile list`)?"


def _document(data: bytes) -> Any:
    """The JSON, or the text if it is not JSON; None if it is empty."""
    if not data:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    """The reason in a few words, without the pool and the URL that urllib3 adds."""
    text = str(getattr(error, "reason", None) or error)
    return re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", text)
