"""Decides which pages may call the service from a browser, and to which host names it answers on a local run.

A browser sends requests for any page, to the loopback address too. So a local run refuses a request if its Host is a
name that an attacker may have pointed here (DNS rebinding), or if the browser's headers show that a page of another
origin sent it. Other clients do not send these headers. On API Gateway a browser adds no credentials by itself (keys
and signatures are headers that a page must know), and the gateway has host names of its own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalice.app import Request, Response

from chalicelib.errors import Refused
from chalicelib.web import problems

ALLOWED_HEADERS = (
    "Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, traceparent, tracestate, "
    "X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Security-Token, X-API-Key"
)
EXPOSED_HEADERS = "Allow, Location, Retry-After, X-Request-Id"
PREFLIGHT_SECONDS = 600

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]+)(:[0-9]*)?")

Headers = Mapping[str, str]  # their names in any case


@dataclass(frozen=True, slots=True)
class Policy:
    """`hosts` are allowed besides the loopback names; None allows all. `origins` may call from a browser."""

    hosts: frozenset[str] | None
    origins: frozenset[str]

    def fault(self, method: str, headers: Headers) -> str | None:
        """The reason why a request is refused, with the remedy; None if it is not."""
        if self.hosts is None:
            return None
        host = headers.get("host", "")
        if host and not self._answers_to(host):
            return f"`{host[:100]}` is no name of this service: if it should be, name it in ALLOWED_HOSTS"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if self._is_ours(origin, site, host) or _is_navigation(method, headers):
            return None
        page = f"`{origin[:100]}`" if origin else "another origin"
        return f"a page of {page} may not call this service: if it should, name its origin in CORS_ORIGINS"

    def headers(self, origin: str | None) -> dict[str, str]:
        """The headers that let a page of `origin` read the answer."""
        if not self.origins:
            return {}
        if origin not in self.origins:
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED_HEADERS,
            "Vary": "Origin",
        }

    def _answers_to(self, host: str) -> bool:
        matched = _HOST.fullmatch(host)
        name = matched[1].strip("[]").lower().removesuffix(".") if matched else ""
        return bool(name) and (is_loopback(name) or name in (self.hosts or ()))

    def _is_ours(self, origin: str | None, site: str | None, host: str) -> bool:
        """Whether the request comes from no page, from one of the service's own, or from one that may call."""
        if origin in self.origins:
            return True
        if site is not None:  # set by the browser alone, and right behind a proxy too, where Host differs
            return site in ("same-origin", "none")
        return origin is None or (origin != "null" and urlsplit(origin).netloc == host.lower())


def is_loopback(name: str) -> bool:
    """Whether a host's name or address, without brackets, is this machine and no other."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _is_navigation(method: str, headers: Headers) -> bool:
    """Whether a user follows a link to the service: the page with the link cannot read the answer."""
    mode, to = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return method == "GET" and mode == "navigate" and to == "document"


def middleware(policy: Policy) -> Callable[[Request, Callable[[Request], Response]], Response]:
    """A middleware of chalice for HTTP. It is outside those that make errors, so that pages can read errors too."""

    def handle(request: Request, get_response: Callable[[Request], Response]) -> Response:
        fault = policy.fault(request.method, request.headers)
        response = problems.of_error(Refused(fault)) if fault else get_response(request)
        response.headers.update(policy.headers(request.headers.get("origin")))
        return response

    return handle


def preflight(methods: Iterable[str]) -> Response:
    """The answer to OPTIONS: what a page may send to a path that has `methods`."""
    allowed = ", ".join(sorted(methods))
    headers = {
        "Allow": allowed,
        "Access-Control-Allow-Methods": allowed,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return Response("", headers={**headers}, status_code=204)
