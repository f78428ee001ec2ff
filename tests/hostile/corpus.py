"""The bodies, requests and bytes of a hostile client, each with the answer that it must get."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field

# Just under the default MAX_BODY_BYTES, so all of it is read and parsed.
FULL = 5 * 1024 * 1024 - 4096


@dataclass(frozen=True)
class Body:
    """`make` returns the bytes; `says` is in the answer's detail, or in that of one of its errors, at `pointer`."""

    make: Callable[[], bytes]
    status: int
    says: str
    pointer: str | None = None


@dataclass(frozen=True)
class Asked:
    """A request that is well-formed HTTP."""

    path: str
    status: int
    says: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Raw:
    """Bytes on a connection whose client side is then closed. `status` None: the server closes it without an answer."""

    data: bytes
    status: int | None
    says: str = ""


def sized(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def filled(item: str, size: int = FULL) -> str:
    return ",".join([item] * (size // (len(item) + 1)))


def keys(size: int = FULL, *, value: str = "1") -> str:
    return ",".join(f'"{number}":{value}' for number in range(size // (len(value) + 10)))


def workflow(nodes: str) -> bytes:
    return ('{"name":"x","dag":{"nodes":[' + nodes + "]}}").encode()


def node(more: str = "", id: str = "a", handler: str = "noop") -> str:
    return f'{{"id":{json.dumps(id)},"handler":"{handler}"{more and ","}{more}}}'


def config(value: str, handler: str = "noop") -> bytes:
    return workflow(node('"config":{"x":' + value + "}", handler=handler))


def call(more: str) -> bytes:
    return workflow(node('"config":{"url":"https://example.com/",' + more + "}", handler="call_external_service"))


def chain(count: int) -> str:
    return ",".join(node(f'"dependencies":["n{n - 1}"]' if n else "", id=f"n{n}") for n in range(count))


def hub(edges: int, nodes: int = 9000) -> bytes:
    listed = ",".join(f'"n{number % nodes}"' for number in range(edges))
    return workflow(chain(nodes) + "," + node(f'"dependencies":[{listed}]', id="hub"))


# What is refused as an id, and with which words. (tests/unit/test_node_ids.py has what is accepted.)
IDS = {
    "": "must not be empty",
    "{a}": "cannot hold `{`",
    "{{a}}": "cannot hold `{`",
    "dag1:{00}:due": "cannot hold `{`",
    "a'b": "cannot hold `'`",
    'a"b': 'cannot hold `"`',
    "a`b": "cannot hold the character U+0060",
    "a\r\nb": "U+000D",
    "a\x00b": "U+0000",
    "a\n": "U+000A",
    "\u202ea": "U+202E",
    "\ufeffa": "U+FEFF",
    "..": "URLs read it as a folder",
    "a" * 129: "at most 128",
    "a" * 1_000_000: "at most 128",
}
X = "/dag/nodes/0/config/x"

# Bodies for POST /api/workflow.
BODIES: dict[str, Body] = {
    "10 MB": Body(lambda: b" " * 10_000_000, 413, "at most 5242880 bytes"),
    "10 MB of JSON": Body(lambda: config('"' + "x" * 10_000_000 + '"'), 413, "at most 5242880 bytes"),
    "nothing": Body(lambda: b"", 400, "the body is empty"),
    "spaces": Body(lambda: b" \r\n\t" * (FULL // 4), 400, "the body is empty"),
    "depth 100,000": Body(lambda: b"[" * 100_000, 400, "nested far too deep"),
    "depth 100,000, closed": Body(lambda: b"[" * 100_000 + b"]" * 100_000, 400, "nested far too deep"),
    "depth 2,500,000 of objects": Body(lambda: b'{"":' * (FULL // 5) + b"1" + b"}" * (FULL // 5), 400, "far too deep"),
    "depth 500": Body(lambda: config("[" * 500 + "]" * 500), 422, "nested deeper than 64 levels", X + "/0" * 59),
    "1e400": Body(lambda: config("1e400"), 422, "out of range", X),
    "-1e400": Body(lambda: config("-1e400"), 422, "out of range", X),
    "an exponent of 5 MB": Body(lambda: config("1e" + "9" * FULL), 422, "out of range", X),
    "NaN": Body(lambda: config("NaN"), 422, "NaN is not JSON", X),
    "-Infinity": Body(lambda: config("-Infinity"), 422, "-Infinity is not JSON", X),
    "a million NaNs": Body(lambda: config("[" + filled("NaN") + "]"), 422, "NaN is not JSON", X + "/0"),
    "digits of 5 MB": Body(lambda: config("1" * FULL), 422, "thousands of digits", X),
    "lone surrogate": Body(lambda: config('"\\ud800"'), 422, "surrogate", X),
    "lone surrogate as a key": Body(lambda: config('{"\\udfff":1}'), 422, "surrogate", X + "/\\udfff"),
    "surrogates, 5 MB": Body(lambda: config('"' + "\\ud800" * (FULL // 6) + '"'), 422, "surrogate", X),
    "raw surrogate": Body(lambda: config('"@"').replace(b"@", b"\xed\xa0\x80"), 400, "not UTF-8"),
    "duplicate key": Body(lambda: b'{"name":"a","name":"b","dag":{"nodes":[]}}', 422, "more than once", "/name"),
    "250,000 duplicate keys": Body(lambda: config("{" + keys(FULL // 2) + "," + keys(FULL // 2) + "}"), 422, "once"),
    "a key of 2 MB over NaNs": Body(
        lambda: config('{"' + "k" * 2_000_000 + '":[' + filled("NaN", 2_000_000) + "]}"), 422, "NaN is not JSON", X
    ),
    "100,000 nodes": Body(lambda: workflow(filled(node(), 100_000 * 29)), 422, "at most 10,000", "/dag/nodes"),
    "2,500,000 nodes": Body(lambda: workflow(filled("1")), 422, "at most 10,000 are taken", "/dag/nodes"),
    "10,000 nodes that are none": Body(lambda: workflow(filled("1", 20_000)), 422, "must be an object", "/dag/nodes/0"),
    "10,000 nodes, all wrong": Body(
        lambda: workflow(filled('{"id":1,"handler":1,"dependencies":1,"config":1,"timeout_seconds":"x"}', 700_000)),
        422,
        "must be a string",
        "/dag/nodes/0/id",
    ),
    "100,000 edges on one node": Body(
        lambda: hub(100_000), 422, "is listed twice", "/dag/nodes/9000/dependencies/9000"
    ),
    "1,300,000 edges to nowhere": Body(
        lambda: workflow(node('"dependencies":[' + filled('"b"') + "]")),
        422,
        "no node `b`",
        "/dag/nodes/0/dependencies/0",
    ),
    "2,500,000 edges that are numbers": Body(
        lambda: workflow(node('"dependencies":[' + filled("1") + "]")), 422, "must be a string, not `1`"
    ),
    "a cycle of 10,000": Body(
        lambda: workflow(chain(9999) + "," + node('"dependencies":["n9998","last"]', id="last")),
        422,
        "depends on itself",
    ),
    "a long cycle": Body(
        lambda: workflow(chain(9000).replace('"handler":"noop"', '"handler":"noop","dependencies":["n8999"]', 1)),
        422,
        "closes a cycle",
    ),
    "500,000 fields": Body(lambda: b'{"name":"x","dag":{"nodes":[]},' + keys().encode() + b"}", 422, "fields", ""),
    "500,000 fields in a node": Body(lambda: workflow(node(keys())), 422, "fields", "/dag/nodes/0"),
    "500,000 fields in a config": Body(lambda: call(keys()), 422, "fields", "/dag/nodes/0/config"),
    "500,000 headers": Body(
        lambda: call('"headers":{' + keys(value='"v"') + "}"),
        422,
        "headers; at most 100",
        "/dag/nodes/0/config/headers",
    ),
    "CR LF in a header": Body(
        lambda: call('"headers":{"X":"a\\r\\nY: b"}'), 422, "line break", "/dag/nodes/0/config/headers"
    ),
    "CR LF in the name of a header": Body(lambda: call('"headers":{"X\\r\\nY":"b"}'), 422, "not the name of a header"),
    "NUL in a header": Body(lambda: call('"headers":{"X":"\\u0000"}'), 422, "control character"),
    "bait: braces": Body(lambda: config('"' + "{{" * (FULL // 2) + '"'), 422, "never closes it", X),
    "bait: opened and closed": Body(lambda: config('"' + "{{}}" * (FULL // 4) + '"'), 422, "is empty", X),
    "bait: spaces": Body(lambda: config('"{{' + " " * FULL + '}}"'), 422, "is empty", X),
    "bait: a path of 2,500,000 steps": Body(
        lambda: config('"{{zz' + ".a" * (FULL // 2) + '}}"'), 422, "no node `zz`", X
    ),
    "bait: 600,000 templates": Body(lambda: config('"' + "{{a.b}}" * (FULL // 8) + '"'), 422, "come before", X),
    "bait: 1,000,000 strings": Body(lambda: config("[" + filled('"{{"') + "]"), 422, "never closes it", X + "/0"),
    "bait: backtracking": Body(lambda: config('"{{ ' + "a-" * 100_000 + '! }}"'), 422, "does not begin with", X),
    "bait: code": Body(lambda: config("\"{{ __import__('os').system('id') }}\""), 422, "does not begin with", X),
    "bait: attributes": Body(lambda: config('"{{ params.__class__ | x }}"'), 422, "is not a path", X),
    "a name of 5 MB": Body(lambda: b'{"name":"' + b"x" * FULL + b'","dag":{"nodes":[]}}', 422, "too long", "/name"),
    "a list": Body(lambda: b"[]", 422, "must be a JSON object", ""),
    "2,500,000 lists": Body(lambda: ("[" + filled("[]") + "]").encode(), 422, "must be a JSON object", ""),
    "null": Body(lambda: b"null", 422, "must be a JSON object", ""),
    "UTF-16": Body(lambda: "{}".encode("utf-16"), 400, "not UTF-8"),
    "byte order mark": Body(lambda: b"\xef\xbb\xbf{}", 400, "byte order mark"),
    "gzip": Body(lambda: bytes.fromhex("1f8b0800000000000003"), 400, "not UTF-8"),
    "two values": Body(lambda: b"{}{}", 400, "not JSON"),
    "comment": Body(lambda: b"{/* */}", 400, "not JSON"),
    "form": Body(lambda: b"name=x&dag=y", 400, "not JSON"),
    "a node called params": Body(lambda: workflow(node(id="params")), 422, "is reserved", "/dag/nodes/0/id"),
} | {
    f"the id {id[:20]!r} of {len(id)}": Body(
        lambda id=id: workflow(node(id=id)),  # type: ignore[misc]
        422,
        says,
        "/dag/nodes/0/id",
    )
    for id, says in IDS.items()
}

# Bodies for POST /api/workflow/trigger/{execution_id} of a stored workflow.
PARAMS: dict[str, Body] = {
    "10 MB": Body(lambda: b" " * 10_000_000, 413, "at most 5242880 bytes"),
    "depth 100,000": Body(lambda: b'{"params":' + b"[" * 100_000, 400, "nested far too deep"),
    "depth 500": Body(lambda: b'{"params":{"x":' + b"[" * 500 + b"]" * 500 + b"}}", 422, "nested deeper"),
    "NaN": Body(lambda: b'{"params":{"x":NaN}}', 422, "NaN is not JSON", "/params/x"),
    "1e400": Body(lambda: b'{"params":{"x":1e400}}', 422, "out of range", "/params/x"),
    "surrogate": Body(lambda: b'{"params":{"x":"\\udc00"}}', 422, "surrogate", "/params/x"),
    "duplicate key": Body(lambda: b'{"params":{"x":1,"x":2}}', 422, "more than once", "/params/x"),
    "500,000 fields": Body(lambda: b"{" + keys().encode() + b"}", 422, "fields", ""),
    "not an object": Body(lambda: b"[]", 422, "must be a JSON object", ""),
    "params of another kind": Body(lambda: b'{"params":[]}', 422, "must be an object", "/params"),
    "unknown field": Body(lambda: b'{"parms":{}}', 422, "did you mean `params`?", "/parms"),
}

PATHS = [
    "{}",
    "*",
    "%00",
    "..",
    "%2e%2e",
    "..%2f..",
    "%2f",
    "é",
    "a" * 10_000,
    "in-*",
    "in-" + "0" * 30 + "*",
    "%ff%fe",
]
PATHS += [
    "dag1:{00}:due",
    "in-" + "0" * 29 + "g",
    "IN-" + "0" * 30,
    "in-" + "0" * 30 + "%0a",
    "ex-" + "f" * 30,
    "[",
    "%",
]
KEYS = ["a\x01b", "a b", "", "k" * 10_000, "a\x7f", "caf\xe9", "\t", "k" * 256]
WAITS = ["1e400", "-1", "nan", "inf", "26", "1,5", "0x1", "", "1" * 5000, "%00", "1e-400e", "٣a"]
JSON = {"Content-Type": "application/json"}

REQUESTS: dict[str, Asked] = (
    {f"status of {path[:20]}": Asked(f"/api/workflows/{path}", 404) for path in PATHS}
    | {f"results of {path[:20]}": Asked(f"/api/workflows/{path}/results", 404) for path in PATHS}
    | {
        f"trigger {path[:20]}": Asked(f"/api/workflow/trigger/{path}", 404, method="POST", headers=JSON, body=b"{}")
        for path in PATHS
    }
    | {
        f"key {key[:20]!r}": Asked(
            "/api/workflow",
            422,
            "visible ASCII",
            method="POST",
            headers=JSON | {"Idempotency-Key": key},
            body=workflow(node()),
        )
        for key in KEYS
    }
    | {
        f"wait={wait[:20]}": Asked(f"/api/workflows/in-{'0' * 30}?wait={wait}", 422, "`wait` must be")
        for wait in WAITS
        if wait
    }
    | {
        f"trigger wait={wait[:20]}": Asked(
            f"/api/workflow/trigger/ex-{'0' * 30}?wait={wait}", 422, "`wait` must be", method="POST"
        )
        for wait in WAITS
        if wait
    }
    | {
        f"{method} {path}": Asked(path, 405, method=method, headers=JSON, body=b"{}")
        for method, path in [
            ("PUT", "/api/workflow"),
            ("PUT", "/api/workflows/in-0"),
            ("PATCH", "/api/workflows/in-0/results"),
            ("POST", "/api/health"),
            ("GET", "/api/workflows/in-0/rerun"),
        ]
    }
    | {f"delete {path[:20]}": Asked(f"/api/workflows/{path}", 404, method="DELETE") for path in PATHS}
    | {f"history of {path[:20]}": Asked(f"/api/workflows/{path}/history", 404) for path in PATHS}
    | {
        f"{act} {path[:20]}": Asked(f"/api/workflows/{path}/{act}", 404, method="POST", headers=JSON, body=b"{}")
        for act in ("cancel", "pause", "resume", "rerun")
        for path in PATHS
    }
    | {
        f"{act} with {body[:20]!r}": Asked(
            f"/api/workflows/in-{'0' * 30}/{act}", status, method="POST", headers=JSON, body=body
        )
        for act in ("cancel", "rerun")
        for status, body in [(400, b"{"), (422, b"[]"), (422, b'{"nobody knows this": 1}'), (422, b'{"from": 1}')]
    }
    | {
        f"list by {query[:30]}": Asked(f"/api/workflows?{query}", 422)
        for query in [
            "status=OVER",
            "limit=0",
            "limit=1e9",
            "cursor=in-0",
            "cursor=" + "9" * 5000,
            "tag=colon",
            "from=yesterday",
            "to=2026-01-01",
        ]
    }
    | {
        f"file {path}": Asked(path, 404)
        for path in ("/api/docs/../app.py", "/api/docs/..%2fapp.py", "/api/docs/%00", "/")
    }
    | {
        f"type {kind}": Asked(
            "/api/workflow", 400, "not JSON", method="POST", headers={"Content-Type": kind}, body=b"<a>&b;</a>"
        )
        for kind in (
            "text/xml",
            "multipart/form-data; boundary=x",
            "application/x-yaml",
            "a" * 5000,
            "application/json;;;",
        )
    }
)

POST = b"POST /api/workflow HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GOOD = workflow(node())
# A gigabyte of spaces, in 1 MB.
BOMB = gzip.compress(b" " * 1_000_000) * 1000

RAW: dict[str, Raw] = {
    # The part of the body that arrives is valid, but it is not what the client meant to send.
    "body shorter than its length": Raw(
        POST + b"Content-Length: %d\r\n\r\n" % (len(GOOD) + 1) + GOOD, 400, "ends after"
    ),
    "two lengths": Raw(POST + b"Content-Length: %d\r\nContent-Length: 2\r\n\r\n" % len(GOOD) + GOOD, 400, "differ"),
    "a list of lengths": Raw(POST + b"Content-Length: 2, 2\r\n\r\n{}", 400, "not a number"),
    "length -1": Raw(POST + b"Content-Length: -1\r\n\r\n{}", 400, "not a number"),
    "length +2": Raw(POST + b"Content-Length: +2\r\n\r\n{}", 400, "not a number"),
    "length of 5,000 digits": Raw(POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", 413, "at most"),
    "length in other digits": Raw(POST + "Content-Length: ٢\r\n\r\n{}".encode(), 400, "not a number"),
    "no length": Raw(POST + b"\r\n", 400, "the body is empty"),
    "chunked": Raw(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 422, "is missing"),
    "chunks of a byte, 1,000,000": Raw(
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1_000_000 + b"0\r\n\r\n", 400, "small chunks"
    ),
    "a chunk of 2^60 bytes": Raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 15 + b"\r\n{}", 413, "at most"),
    "chunks without an end": Raw(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 400, "its size"),
    "a bomb of gzip": Raw(POST + b"Content-Encoding: gzip\r\n" + sized(BOMB), 413, "decompressed"),
    "half of a gzip": Raw(POST + b"Content-Encoding: gzip\r\n" + sized(gzip.compress(b"{}")[:-4]), 415, "not whole"),
    "two in a gzip": Raw(
        POST + b"Content-Encoding: gzip\r\n" + sized(gzip.compress(b"{") + gzip.compress(b"}")), 422, "missing"
    ),
    "br": Raw(POST + b"Content-Encoding: br\r\n" + sized(b"{}"), 415, "use gzip"),
    "a page of another origin": Raw(POST + b"Origin: http://evil.example\r\n" + sized(b"{}"), 403, "CORS_ORIGINS"),
    "a rebound name": Raw(b"GET /api/health HTTP/1.1\r\nHost: evil.example:8000\r\n\r\n", 403, "ALLOWED_HOSTS"),
    "an address of another": Raw(b"GET http://evil.example/api/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
    "length and chunked": Raw(
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "only one"
    ),
    "smuggled by a space": Raw(POST + b"Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}", 400, "malformed"),
    "a header without a colon": Raw(POST + b"nonsense\r\nContent-Length: 2\r\n\r\n{}", 400, "malformed"),
    "150 headers": Raw(POST + b"".join(b"X-%d: a\r\n" % n for n in range(150)) + b"\r\n", 431, "Too many"),
    "a header of 70 kB": Raw(POST + b"X: " + b"a" * 70_000 + b"\r\n\r\n", 431, "too long"),
    "a path of 70 kB": Raw(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    "CONNECT": Raw(b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n", 501),
    "TRACE": Raw(b"TRACE / HTTP/1.1\r\n\r\n", 501),
    "a proxy's request": Raw(b"GET http://169.254.169.254/latest HTTP/1.1\r\n\r\n", 404),
    "NUL in the path": Raw(b"GET /api/workflows/\x00 HTTP/1.1\r\n\r\n", 404),
    "bytes in the path": Raw(b"GET /api/workflows/\xff\xfe HTTP/1.1\r\n\r\n", 404),
    "60,000 parameters": Raw(
        b"GET /api/workflows/in-0?" + b"a&" * 30_000 + b" HTTP/1.1\r\n\r\n", 422, "no parameter `a`"
    ),
    "half a request": Raw(POST + b"Content-Le", 400),
    "nothing": Raw(b"", None),
    "an empty line": Raw(b"\r\n", None),
}
