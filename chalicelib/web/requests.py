"""Reads bodies, headers and query parameters from requests, and checks them."""

from __future__ import annotations

import gzip
import io
import math
import re
import zlib
from datetime import datetime
from typing import TYPE_CHECKING

from chalice.app import Request

from chalicelib import ids
from chalicelib.errors import BodyTooLarge, InvalidDocument, Problem, UnsupportedEncoding
from chalicelib.states import InstanceStatus

if TYPE_CHECKING:
    from chalicelib.usecases.listing import Filter

WAIT_MAX_SECONDS = 25
LIMIT, LIMIT_MAX = 50, 200
# The most that API Gateway takes.
INFLATED_MAX_BYTES = 10 * 1024 * 1024
_MAGIC = {"gzip": b"\x1f\x8b", "deflate": b"\x78"}
KEY_MAX_LENGTH = 255
# Visible ASCII, which every proxy passes on unchanged.
KEY_PATTERN = "^[!-~]{1,255}$"
_KEY = re.compile(KEY_PATTERN[:-1] + r"\Z")


def body(request: Request) -> bytes:
    """The body, of any content type, decompressed; empty if there is none. Raises UnsupportedEncoding, BodyTooLarge."""
    raw = request.raw_body
    given = raw if isinstance(raw, bytes) else raw.encode()
    coding = str(request.headers.get("content-encoding", "")).strip().lower()
    if coding not in ("", "identity", *_MAGIC):
        raise UnsupportedEncoding(f"the Content-Encoding `{coding[:60]}` is not known here: use gzip, or none")
    # Without the first bytes of the coding it was decompressed on the way, as API Gateway does.
    return _inflated(given, coding) if coding in _MAGIC and given.startswith(_MAGIC[coding]) else given


def _inflated(given: bytes, coding: str) -> bytes:
    """The decompressed body. A few bytes can expand to gigabytes, so this reads no more than the limit."""
    most = INFLATED_MAX_BYTES + 1
    try:
        if coding == "gzip":
            data, whole = gzip.GzipFile(fileobj=io.BytesIO(given)).read(most), True
        else:
            stream = zlib.decompressobj()
            data, whole = stream.decompress(given, most), stream.eof
    except (OSError, EOFError, zlib.error):
        data, whole = b"", False
    if len(data) == most:
        raise BodyTooLarge(f"the body may have at most {INFLATED_MAX_BYTES} bytes when it is decompressed")
    if not whole:
        raise UnsupportedEncoding(f"the body is not whole, or is no {coding}, as its Content-Encoding says")
    return data


def idempotency_key(request: Request) -> str | None:
    """The header `Idempotency-Key`, or None."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not isinstance(key, str) or not _KEY.match(key):
        detail = f"the Idempotency-Key must have 1 to {KEY_MAX_LENGTH} visible ASCII characters, and no space"
        raise InvalidDocument([Problem("/headers/Idempotency-Key", detail)])
    return key


def accepts(request: Request, type: str) -> bool:
    """Whether the header `Accept` names `type`; a wildcard does not."""
    given = str(request.headers.get("accept", ""))
    return type in (part.split(";")[0].strip().lower() for part in given.split(","))


def wait_seconds(request: Request) -> float:
    """The query parameter `wait`; 0 by default."""
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
    """The query parameter `nodes`; true by default."""
    given = request.query_params.get("nodes", "true") if request.query_params else "true"
    if given not in ("true", "false"):
        raise InvalidDocument([Problem("/query/nodes", "`nodes` must be `true` or `false`")])
    return given == "true"


def number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A query parameter that is a whole number."""
    given = text(request, name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", given) or not least <= int(given) <= most:
        raise InvalidDocument([Problem(f"/query/{name}", f"`{name}` must be a whole number from {least} to {most}")])
    return int(given)


def limit(request: Request, default: int = LIMIT) -> int:
    """The query parameter `limit`: the most entries that a page has."""
    return number(request, "limit", default, least=1, most=LIMIT_MAX)


def epoch(request: Request) -> int | None:
    """The query parameter `epoch`; None for the newest epoch."""
    return number(request, "epoch", 0, least=0, most=999_999) or None


def text(request: Request, name: str) -> str | None:
    """A query parameter, or None."""
    given = request.query_params.get(name) if request.query_params else None
    return given if isinstance(given, str) and given else None


def cursor(request: Request, kind: str) -> str | None:
    """The query parameter `cursor`: the id after which a page begins."""
    given = text(request, "cursor")
    if given is not None and not ids.is_valid(given, kind):
        raise InvalidDocument([Problem("/query/cursor", "`cursor` must be what `next` was in the page before")])
    return given


def wanted(request: Request) -> Filter:
    """The filter of a list, from its query parameters."""
    from chalicelib.usecases.listing import Filter  # loads models that most Lambda functions do not need

    statuses = [part for part in (text(request, "status") or "").split(",") if part]
    known = {status.value for status in InstanceStatus}
    if unknown := [status for status in statuses if status not in known]:
        detail = f"`{unknown[0][:60]}` is no status: use some of {', '.join(sorted(known))}, separated by commas"
        raise InvalidDocument([Problem("/query/status", detail)])
    tags: dict[str, str] = {}
    for tag in request.query_params.getlist("tag") if text(request, "tag") and request.query_params else []:
        key, colon, value = tag.partition(":")
        if not colon:
            raise InvalidDocument([Problem("/query/tag", "`tag` must be of the form key:value")])
        if tags.get(key, value) != value:
            detail = f"`tag` asks for two values of `{key[:60]}`, and an instance has one: ask for each alone"
            raise InvalidDocument([Problem("/query/tag", detail)])
        tags[key] = value
    return Filter(
        statuses=tuple(InstanceStatus(status) for status in statuses) or tuple(InstanceStatus),
        name=text(request, "name") or "",
        tags=tags,
        execution_id=text(request, "execution_id"),
        since=_moment(request, "from"),
        until=_moment(request, "to"),
    )


def _moment(request: Request, name: str) -> int | None:
    given = text(request, name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidDocument([Problem(f"/query/{name}", f"`{name}` must be RFC 3339, as in 2026-01-31T12:00:00Z")])
    return round(moment.timestamp() * 1000)


def mount(request: Request) -> str:
    """The prefix of the service's paths: `/dev` under an API Gateway stage, else empty."""
    parts = str(request.context.get("path") or "").rstrip("/").split("/")
    prefix = "/".join(parts[: -request.path.count("/")])
    # The client chose the path: only a plain prefix is passed on.
    return prefix if re.fullmatch(r"(/[A-Za-z0-9_.~-]+)*", prefix) else ""
