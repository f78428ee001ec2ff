"""HTTP calls to addresses that users name: bounded in time and size, and kept away from what is not public.

The host is resolved here, every address it has is checked, and only a checked one is connected to: so redirects, DNS
answers that change, and the other spellings of an IPv4 address (decimal, octal, hexadecimal) lead nowhere else.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from chalicelib.errors import DoNotRetry
from chalicelib.handlers import content
from chalicelib.wire import DEADLINE, BadAnswer, TooLate, WiredConnection, WiredTlsConnection

Resolve = Callable[[str, int], list[str]]

# Where clouds keep credentials. Refused even where private addresses are allowed.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"),  # AWS
            *("168.63.129.16", "fd20:ce::254", "100.100.100.200", "192.0.0.192"),  # Azure, Google, Alibaba, Oracle
        ),
    )
)
# What Python 3.11 calls global and nobody should: site-local, documentation, 6to4 relays.
_NOT_PUBLIC = [ipaddress.ip_network(text) for text in ("fec0::/10", "3fff::/20", "192.88.99.0/24")]
CHUNK = 64 * 1024
# What is meant for one server is not shown to another that it redirects to: any other header may hold a secret.
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent"}
)
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What says where the request ends is worked out from its body: a wrong one would make two requests of it.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


class RefusedAddress(DoNotRetry):
    """The URL leads to an address that must not be called."""


class CallFailed(Exception):
    """No answer: the connection failed, or took too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`lines` are the headers' values by lower-case name, in the order in which they came; `body` is decompressed."""

    status: int
    lines: dict[str, list[str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str | list[str]]:
        """One text for each name. Several lines of a name are one list, joined by commas (RFC 9110, section 5.3).

        Set-Cookie is the one header that cannot be joined: several of it are a list.
        """
        return {
            name: values if name == "set-cookie" and len(values) > 1 else ", ".join(values)
            for name, values in self.lines.items()
        }

    def header(self, name: str) -> str:
        """Of one that should have one line: the last, as browsers take it; "" without any."""
        return self.lines.get(name, [""])[-1]


class HttpClient:
    """Safe to share between threads; keeps connections alive."""

    def __init__(self, *, allow_private: bool, max_response_bytes: int, resolve: Resolve | None = None) -> None:
        guard = _Guard(allow_private, resolve or _resolve)
        self._max_bytes = max_response_bytes
        # No retries here: the node's policy decides. No proxies either: they would resolve names for us.
        self._pools = urllib3.PoolManager(num_pools=20, maxsize=10, retries=False)
        self._pools.pool_classes_by_scheme = {
            "http": _pool(urllib3.HTTPConnectionPool, WiredConnection, guard),
            "https": _pool(urllib3.HTTPSConnectionPool, WiredTlsConnection, guard),
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
        """One call, redirects included. `deadline` is a time.monotonic() that it ends by; timeouts are in seconds.

        Raises RefusedAddress, DoNotRetry for what no retry can mend, and CallFailed.
        """
        sent = {name: value for name, value in headers.items() if name.lower() not in _FRAMING}
        token = DEADLINE.set(deadline)
        try:
            # urllib3 would read an answer that redirects to its end, and look at no URL but the first.
            for _ in range(redirects + 1):
                timeout = _timeout(connect_timeout, read_timeout, deadline)
                answer, where = self._once(method, url, sent, body, timeout, follow=redirects > 0)
                if not where:
                    return answer
                if answer.status == HTTPStatus.SEE_OTHER and method != "HEAD":
                    method, body = "GET", None
                    sent = {name: value for name, value in sent.items() if not name.lower().startswith("content-")}
                before, url = url, _next_url(url, where)
                if _origin(before) != _origin(url):
                    sent = {name: value for name, value in sent.items() if name.lower() in _PLAIN_HEADERS}
        finally:
            DEADLINE.reset(token)
        raise DoNotRetry(f"{_host(url)} redirects more than {redirects} times")

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
        """One request. Where its answer leads elsewhere, and that is to be followed, its body is not read."""
        _check_url(url)
        response = None
        try:
            response = self._pools.request(
                method, url, headers=headers, body=body, timeout=timeout, redirect=False, preload_content=False
            )
            lines: dict[str, list[str]] = {}
            for name, value in response.headers.iteritems():
                lines.setdefault(name.lower(), []).append(value)
            where = _where(response.status, lines) if follow else ""
            data = b"" if where else self._read(response)
            return Answer(response.status, lines, data), where
        except content.TooLarge:
            raise DoNotRetry(f"the answer is larger than {self._max_bytes:,} bytes (MAX_RESPONSE_BYTES)") from None
        except Exception as error:
            raise _translated(error, url) from None
        finally:
            if response is not None:
                response.close()  # not read to the end: the connection cannot be used again

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        data = bytearray()
        # read1 returns what has come: a server that sends a byte at a time cannot hold us past the deadline.
        while chunk := response.read1(CHUNK, decode_content=False):
            data += chunk
            if len(data) > self._max_bytes:
                raise content.TooLarge
        return content.decoded(bytes(data), response.headers.get("content-encoding", ""), self._max_bytes)


class _Guard:
    """Turns a host into an address that may be called, or refuses it."""

    def __init__(self, allow_private: bool, resolve: Resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    def address(self, host: str, port: int) -> str:
        """Of all that a name resolves to, and it is the caller's to connect to: nobody resolves it again."""
        addresses = self._resolve(host.strip("[]"), port)
        for text in addresses:
            address = ipaddress.ip_address(text.split("%", 1)[0])
            if not self._allowed(address):
                remedy = "set ALLOW_PRIVATE_ADDRESSES=true to allow it"
                if METADATA & {address, _inner(address)}:
                    remedy = "clouds keep credentials there, and it is never called"
                raise RefusedAddress(f"`{host}` is at {address}, which is not a public address: {remedy}")
        return addresses[0]

    def _allowed(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        inner = _inner(address)
        if inner in METADATA or address in METADATA:
            return False
        public = inner.is_global and not inner.is_multicast and not inner.is_reserved
        return self._allow_private or (public and not any(inner in network for network in _NOT_PUBLIC))


def _inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, Teredo, NAT64), else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        teredo = address.teredo
        return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
    return address


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise DoNotRetry(f"`{host[:200]}` is not a host name") from None
    except socket.gaierror as error:
        raise CallFailed(f"`{host[:200]}` cannot be resolved: {error.strerror}") from None
    return [str(entry[4][0]) for entry in found]


def _pool(pool: Any, connection: Any, guard: _Guard) -> Any:
    class Guarded(connection):  # type: ignore[misc]
        _dns_host: str

        def _new_conn(self) -> socket.socket:
            # urllib3 connects to `_dns_host`; `host`, which it names to TLS and in the Host header, stays what it was.
            name: str = self._dns_host
            self._dns_host = guard.address(name, self.port)
            try:
                return super()._new_conn()  # type: ignore[no-any-return]
            finally:
                self._dns_host = name

    class GuardedPool(pool):  # type: ignore[misc]
        ConnectionCls = Guarded

    return GuardedPool


def _check_url(url: str) -> None:
    try:
        parsed = urllib3.util.parse_url(url)
    except LocationParseError:
        raise DoNotRetry(f"`{url[:200]}` is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DoNotRetry(f"`{url[:200]}` is not an http:// or https:// URL")
    if parsed.auth is not None:
        # Without the URL: what stands there is a secret, or bait.
        raise DoNotRetry(f"the URL of `{parsed.host}` holds a user name or password: send an Authorization header")
    if "%" in parsed.host:
        raise DoNotRetry(f"`{parsed.host[:200]}` names a network interface: an address alone is enough")


def _where(status: int, lines: Mapping[str, list[str]]) -> str:
    """The Location of an answer that redirects, or "". Several that differ say nothing that could be followed."""
    places = set(lines.get("location", []))
    if status not in _REDIRECTS or not places:
        return ""
    if len(places) > 1:
        raise content.Broken(f"it redirects to {len(places)} places at once")
    return places.pop()


def _next_url(url: str, where: str) -> str:
    try:
        return urljoin(url, where)
    except ValueError:
        raise DoNotRetry(f"{_host(url)} redirects to something that is not a URL") from None


def _origin(url: str) -> tuple[str | None, str | None, int | None] | object:
    try:
        parsed = urllib3.util.parse_url(url)
    except LocationParseError:
        return object()  # like no other
    return parsed.scheme, parsed.host, parsed.port or _PORTS.get(parsed.scheme or "")


def _timeout(connect: float, read: float, deadline: float) -> urllib3.Timeout:
    left = max(0.05, deadline - time.monotonic())
    return urllib3.Timeout(connect=min(connect, left), read=min(read, left))


def _translated(error: Exception, url: str) -> Exception:
    if isinstance(error, (DoNotRetry, CallFailed)):
        return error
    host = _host(url)
    if isinstance(error, NewConnectionError):
        return CallFailed(f"{host} refuses the connection, or cannot be reached")
    if isinstance(error, ConnectTimeoutError):
        return CallFailed(f"{host} did not accept the connection in time")
    if isinstance(error, ReadTimeoutError):
        return CallFailed(f"{host} did not answer in time")
    if isinstance(error, TooLate):
        return CallFailed(f"the answer of {host} took longer than the time that was left")
    if isinstance(error, content.Broken):
        return CallFailed(f"the answer of {host} is broken: {error}")
    if isinstance(error, ProtocolError) and (reason := _reason(error)):
        return CallFailed(f"{host} {reason}")
    if isinstance(error, (ssl.SSLError, urllib3.exceptions.SSLError)):
        return CallFailed(f"{host}: TLS failed: {error}"[:300])
    if isinstance(error, (ValueError, UnicodeError, urllib3.exceptions.URLSchemeUnknown)):
        return DoNotRetry(f"the request to {host} is not valid: {error}"[:300])
    return CallFailed(f"the call to {host} failed: {type(error).__name__}")


def _reason(error: ProtocolError) -> str:
    cause = error.args[1] if len(error.args) > 1 else None
    if isinstance(cause, http.client.IncompleteRead):
        return "closed the connection before its answer was over"
    if isinstance(cause, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    return f"sent an answer that is not to be trusted: {cause}" if isinstance(cause, BadAnswer) else ""


def _host(url: str) -> str:
    try:
        return f"`{urllib3.util.parse_url(url).host}`"
    except LocationParseError:
        return "the server"
