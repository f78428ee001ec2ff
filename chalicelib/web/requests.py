"""What the routes read from a request, checked."""

from __future__ import annotations

import math
import re

from chalice.app import Request

from chalicelib.errors import InvalidDocument, Problem

WAIT_MAX_SECONDS = 25
KEY_MAX_LENGTH = 255
# Visible ASCII: what every proxy passes on unchanged.
KEY_PATTERN = "^[!-~]{1,255}$"
_KEY = re.compile(KEY_PATTERN[:-1] + r"\Z")


def body(request: Request) -> bytes:
    """The body whatever its content type, empty when there is none."""
    raw = request.raw_body
    return raw if isinstance(raw, bytes) else raw.encode()


def idempotency_key(request: Request) -> str | None:
    """The header `Idempotency-Key`, None without it."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not isinstance(key, str) or not _KEY.match(key):
        detail = f"the Idempotency-Key must have 1 to {KEY_MAX_LENGTH} visible ASCII characters, and no space"
        raise InvalidDocument([Problem("/headers/Idempotency-Key", detail)])
    return key


def wait_seconds(request: Request) -> float:
    """The query parameter `wait`, 0 without it."""
    given = request.query_params.get("wait", "0") if request.query_params else "0"
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    # A comparison with NaN is false, so "nan" is refused here too.
    if not 0 <= seconds <= WAIT_MAX_SECONDS:
        detail = f"`wait` must be a number of seconds from 0 to {WAIT_MAX_SECONDS}"
        raise InvalidDocument([Problem("/query/wait", detail)])
    return seconds


def nodes(request: Request) -> bool:
    """The query parameter `nodes`, true without it."""
    given = request.query_params.get("nodes", "true") if request.query_params else "true"
    if given not in ("true", "false"):
        raise InvalidDocument([Problem("/query/nodes", "`nodes` must be `true` or `false`")])
    return given == "true"


def mount(request: Request) -> str:
    """What stands before our paths: `/dev` under an API Gateway stage, else nothing."""
    path = str(request.context.get("path") or "").rstrip("/")
    if not path.endswith(request.path):
        return ""
    prefix = path.removesuffix(request.path)
    # The path is the client's: nothing but a plain prefix is passed on.
    return prefix if re.fullmatch(r"(/[A-Za-z0-9_.~-]+)*", prefix) else ""
