"""HTTP calls to URLs that users name, bounded in time and size. Redirects are followed here, not by urllib3."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import LocationParseError

from chalicelib.errors import DoNotRetry
from chalicelib.handlers import content
from chalicelib.handlers.addresses import AddressGuard, Resolve, guarded
from chalicelib.handlers.failures import host_of, translated
from chalicelib.wire import DEADLINE, WiredConnection, WiredTlsConnection

CHUNK = 64 * 1024
# Connections to one host that are kept for the next calls: as many as a worker has calls at once.
MAX_IDLE = 400
# Only these headers go along to another origin that a server redirects to: any other header may hold a secret.
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent"}
)
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# urllib3 works out where the request ends from its body. A wrong header would make two requests of one.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Answer:
    """`lines` has the headers' values by lower-case name, in the order of the answer; `body` is decompressed."""

    status: int
    lines: dict[str, list[str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str | list[str]]:
        """One text for each name: the lines of a header are one list, joined by commas (RFC 9110, section 5.3).

        Set-Cookie is the one header that cannot be joined: several lines of it stay a list.
        """
        return {
            name: values if name == "set-cookie" and len(values) > 1 else ", ".join(values)
            for name, values in self.lines.items()
        }

    def header(self, name: str) -> str:
        """The value of a header that should have one line: the last line, as browsers read it; "" if there is none."""
        return self.lines.get(name, [""])[-1]


class HttpClient:
    """Safe to share between threads; keeps connections alive."""

    def __init__(self, *, allow_private: bool, max_response_bytes: int, resolve: Resolve | None = None) -> None:
        guard = AddressGuard(allow_private=allow_private, resolve=resolve)
        self._max_bytes = max_response_bytes
        # No retries: the node's policy decides about these. No proxies: these would resolve names themselves.
        self._pools = urllib3.PoolManager(num_pools=20, maxsize=MAX_IDLE, retries=False)
        self._pools.pool_classes_by_scheme = {
            "http": guarded(urllib3.HTTPConnectionPool, WiredConnection, guard),
            "https": guarded(urllib3.HTTPSConnectionPool, WiredTlsConnection, guard),
        }

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        connect_timeout: float,
        read_timeout: float,
        deadline: float,
        redirects: int,
    ) -> Answer:
        """Make one call, which follows at most `redirects` redirects. It ends by `deadline`, by time.monotonic().

        Raises CallFailed, and DoNotRetry (RefusedAddress is one) if a retry would fail as well.
        """
        sent = {name: value for name, value in headers.items() if name.lower() not in _FRAMING}
        token = DEADLINE.set(deadline)
        try:
            # urllib3 would read the body of each redirecting answer to its end, and check only the first URL.
            for _ in range(redirects + 1):
                timeout = _timeout(connect_timeout, read_timeout, deadline)
                answer, location = self._once(method, url, sent, body, timeout, follow=redirects > 0)
                if not location:
                    return answer
                if answer.status == HTTPStatus.SEE_OTHER and method != "HEAD":
                    method, body = "GET", None
                    sent = {name: value for name, value in sent.items() if not name.lower().startswith("content-")}
                before, url = url, _next_url(url, location)
                if _origin(before) != _origin(url):
                    sent = {name: value for name, value in sent.items() if name.lower() in _PLAIN_HEADERS}
        finally:
            DEADLINE.reset(token)
        raise DoNotRetry(f"{host_of(url)} redirects more than {redirects} times")

    def close(self) -> None:
        self._pools.clear()

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: urllib3.Timeout,
        *,
        follow: bool,
    ) -> tuple[Answer, str]:
        """Make one request. Returns the answer, and where it redirects to if `follow` is set: then without its body."""
        _check_url(url)
        response = None
        try:
            response = self._pools.request(
                method, url, headers=headers, body=body, timeout=timeout, redirect=False, preload_content=False
            )
            lines: dict[str, list[str]] = {}
            for name, value in response.headers.iteritems():
                lines.setdefault(name.lower(), []).append(value)
            location = _location(response.status, lines) if follow else ""
            data = b"" if location else self._read(response)
            return Answer(response.status, lines, data), location
        except content.TooLarge:
            raise DoNotRetry(f"the answer is larger than {self._max_bytes:,} bytes (MAX_RESPONSE_BYTES)") from None
        except Exception as error:
            raise translated(error, url) from None
        finally:
            if response is not None:
                response.close()  # an answer that was not read to its end: its connection cannot be used again

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        data = bytearray()
        # read1 returns what has arrived: a server that sends a byte at a time cannot hold us past the deadline.
        while chunk := response.read1(CHUNK, decode_content=False):
            data += chunk
            if len(data) > self._max_bytes:
                raise content.TooLarge
        return content.decoded(bytes(data), response.headers.get("content-encoding", ""), self._max_bytes)


def _check_url(url: str) -> None:
    try:
        parsed = urllib3.util.parse_url(url)
    except LocationParseError:
        raise DoNotRetry(f"`{url[:200]}` is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DoNotRetry(f"`{url[:200]}` is not an http:// or https:// URL")
    if parsed.auth is not None:
        # The message leaves the URL out: the user name and password are a secret, or bait.
        raise DoNotRetry(f"the URL of `{parsed.host}` holds a user name or password: send an Authorization header")
    if "%" in parsed.host:
        raise DoNotRetry(f"`{parsed.host[:200]}` names a network interface: an address alone is enough")


def _location(status: int, lines: Mapping[str, list[str]]) -> str:
    """The Location of an answer that redirects, else "". Raises content.Broken if there are several that differ."""
    places = set(lines.get("location", []))
    if status not in _REDIRECTS or not places:
        return ""
    if len(places) > 1:
        raise content.Broken(f"it redirects to {len(places)} places at once")
    return places.pop()


def _next_url(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise DoNotRetry(f"{host_of(url)} redirects to something that is not a URL") from None


def _origin(url: str) -> tuple[str | None, str | None, int | None] | object:
    try:
        parsed = urllib3.util.parse_url(url)
    except LocationParseError:
        return object()  # an origin that equals no other
    return parsed.scheme, parsed.host, parsed.port or _PORTS.get(parsed.scheme or "")


def _timeout(connect: float, read: float, deadline: float) -> urllib3.Timeout:
    left = max(0.05, deadline - time.monotonic())
    return urllib3.Timeout(connect=min(connect, left), read=min(read, left))
