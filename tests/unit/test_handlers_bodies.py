"""Bodies are decompressed only whole, and are JSON, else text, else base64; no line of a header is lost."""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from collections.abc import Callable, Iterator

import pytest

from chalicelib.core import strictjson, templates
from chalicelib.errors import DoNotRetry
from chalicelib.handlers.egress import HttpClient
from chalicelib.handlers.failures import CallFailed
from chalicelib.secrets.redact import Redactor
from tests.support.calls import call, chunked, head, ok
from tests.support.scripted import Say, scripted

LIMIT = 100_000


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(allow_private=True, max_response_bytes=LIMIT)
    yield client
    client.close()


# A compressed body counts only if it is whole.


def _zstd() -> Callable[[bytes], bytes]:
    return importlib.import_module("backports.zstd").compress  # type: ignore[no-any-return]


def _brotli() -> Callable[[bytes], bytes]:
    return importlib.import_module("brotli").compress  # type: ignore[no-any-return]


def _raw(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


CODINGS: dict[str, tuple[str, Callable[[], Callable[[bytes], bytes]]]] = {
    "gzip": ("gzip", lambda: gzip.compress),
    "upper": ("GZIP", lambda: gzip.compress),
    "x-gzip": ("x-gzip", lambda: gzip.compress),
    "members": ("gzip", lambda: lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:])),
    "zlib": ("deflate", lambda: zlib.compress),
    "raw": ("deflate", lambda: _raw),
    "twice": ("deflate, gzip", lambda: lambda data: gzip.compress(zlib.compress(data))),
    "br": ("br", _brotli),
    "zstd": ("zstd", _zstd),
}
TEXT = "".join(f"line {number * 7919}\n" for number in range(300))


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("framing", ["length", "chunked", "end"])
def test_compressed_bodies(client: HttpClient, name: str, framing: str) -> None:
    coding, make = CODINGS[name]
    try:
        compressed = make()(TEXT.encode())
    except ImportError:
        pytest.skip(f"{coding} is not installed")

    def said(data: bytes) -> Say:
        encoding = f"Content-Encoding: {coding}"
        if framing == "chunked":
            return Say(head(encoding, "Transfer-Encoding: chunked") + chunked(data[:10], data[10:]))
        return Say(ok(data, encoding)) if framing == "length" else Say(head(encoding) + data, "fin")

    cuts = sorted({1, 5, 11, len(compressed) // 2, len(compressed) - 9, len(compressed) - 4, len(compressed) - 1})
    wrong = bytearray(compressed)
    wrong[len(wrong) // 2] ^= 0xFF
    with scripted(said(compressed), *(said(compressed[:cut]) for cut in cuts), said(bytes(wrong))) as script:
        assert call(client, script.url)["body"] == TEXT
        for cut in cuts:
            with pytest.raises(CallFailed, match="broken"):
                pytest.fail(f"cut at {cut}: {call(client, script.url)}")
        if name not in ("raw", "br", "zstd"):  # these have no checksum
            with pytest.raises(CallFailed, match="broken"):
                call(client, script.url)


@pytest.mark.parametrize("name", CODINGS)
def test_compressed_bodies_that_grow(client: HttpClient, name: str) -> None:
    coding, make = CODINGS[name]
    try:
        exact, over = (make()(b"0" * size) for size in (LIMIT, LIMIT + 1))
    except ImportError:
        pytest.skip(f"{coding} is not installed")
    says = (ok(data, f"Content-Encoding: {coding}") for data in (exact, over))
    with scripted(*says) as script:
        assert len(call(client, script.url)["body"]) == LIMIT
        with pytest.raises(DoNotRetry, match="larger than"):
            call(client, script.url)


def test_other_encodings(client: HttpClient) -> None:
    padded = gzip.compress(b"text") + b"\0" * 20
    with scripted(
        ok(padded, "Content-Encoding: gzip"),
        ok(b"\xff\xfe", "Content-Encoding: compress"),
        ok("text", "Content-Encoding: identity"),
        ok("", "Content-Encoding: gzip"),
        head("Content-Encoding: gzip", "Content-Length: 50"),
        ok("text", "Content-Encoding: " + ", ".join(["gzip"] * 9)),
    ) as script:
        assert call(client, script.url)["body"] == "text"
        assert call(client, script.url)["encoding"] == "base64"
        assert call(client, script.url)["body"] == "text"
        assert call(client, script.url)["body"] == ""
        assert call(client, script.url, method="HEAD")["body"] == ""
        with pytest.raises(CallFailed, match="9 times"):
            call(client, script.url)


# A body is JSON, else text, else base64.


@pytest.mark.parametrize(
    "body", ["NaN", '{"a": [Infinity]}', "[-Infinity]", "1e400", '"\\ud800"', '{"\\udfff": 1}', "1" * 5000, "{", "'a'"]
)
@pytest.mark.parametrize("media", ["application/json", "application/problem+json; charset=utf-8"])
def test_what_is_not_json_is_text(client: HttpClient, body: str, media: str) -> None:
    with scripted(ok(body, f"Content-Type: {media}")) as script:
        answer = call(client, script.url)
    assert (answer["body"], answer.get("encoding")) == (body, None)
    strictjson.dumps(answer)


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b"plain", "undefined"),
        (b"plain", "no-such-charset"),
        (b"plain", "idna"),
        (b"plain", "punycode"),
        (b"\\ud800", "unicode_escape"),
        (b"\\ud800", "raw-unicode-escape"),
        (b"aGFsbG8=", "base64"),
        (b"plain", "hex"),
        (b"plain", "rot13"),
        (b"plain", "mbcs"),
        (b"plain", "x" * 5000),
        (b"+2AA-", "utf-7"),
        (b"\xed\xa0\x80", "utf-8"),
        (b"\x00\xd8", "utf-16-le"),
        (b"\xff", "ascii"),
    ],
)
@pytest.mark.parametrize("media", ["text/plain", "application/json"])
def test_what_is_not_text_is_base64(client: HttpClient, body: bytes, charset: str, media: str) -> None:
    with scripted(ok(body, f"Content-Type: {media}; charset={charset}")) as script:
        answer = call(client, script.url)
    assert answer["encoding"] == "base64", answer
    strictjson.dumps(answer)


def test_json_that_is_json(client: HttpClient) -> None:
    for body, value in (('{"a": 1, "a": 2}', {"a": 2}), ("1e308", 1e308), ('"\\ud83d\\ude00"', "😀"), ("", None)):
        for media in ("application/json; charset=undefined", "APPLICATION/Problem+JSON", "application/json"):
            with scripted(ok(body, f"Content-Type: {media}")) as script:
                assert call(client, script.url)["body"] == value
    for media in ("text/json", "application/json5", "application/x-json"):
        with scripted(ok("[1]", f"Content-Type: {media}")) as script:
            assert call(client, script.url)["body"] == "[1]"


# Several lines of one header are all kept.


def test_headers_that_come_several_times(client: HttpClient) -> None:
    said = ok(
        "{}",
        "Set-Cookie: a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT",
        "Link: </a>; rel=next",
        "set-cookie: b=2",
        "LINK: </b>; rel=last",
        "X-Empty:",
        "X-One: one, two",
        "Content-Type: text/html",
        "Content-Type: application/json",
    )
    with scripted(said, ok("", "Set-Cookie: a=1")) as script:
        answer = call(client, script.url)
        assert answer["headers"] == {
            "content-length": "2",
            "set-cookie": ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"],
            "link": "</a>; rel=next, </b>; rel=last",
            "x-empty": "",
            "x-one": "one, two",
            "content-type": "text/html, application/json",
        }
        assert templates.render("{{ login.headers.set-cookie.1 }}", {"login": answer}) == "b=2"  # docs/workflows.md
        assert answer["body"] == {}  # the last one counts, as in browsers
        assert call(client, script.url)["headers"]["set-cookie"] == "a=1"


def test_secrets_in_headers_that_come_several_times(client: HttpClient) -> None:
    with scripted(ok("", "Set-Cookie: a=s3cret", "Set-Cookie: b=s3cret", "Link: s3cret", "Link: s3cret")) as script:
        headers = Redactor(["s3cret"]).value(call(client, script.url))["headers"]
    assert (headers["set-cookie"], headers["link"]) == (["a=***", "b=***"], "***, ***")


def test_json_of_the_service_is_what_is_stored(client: HttpClient) -> None:
    with scripted(ok(json.dumps({"é": [1.5, None]}), "Content-Type: application/json")) as script:
        assert call(client, script.url)["body"] == {"é": [1.5, None]}
