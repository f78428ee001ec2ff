"""JSON by the RFC, with every fault at its pointer, in bounded time."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import strictjson
from chalicelib.errors import BodyTooLarge, InvalidDocument, MalformedBody

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def loads(body: bytes, max_bytes: int = 10**8, max_depth: int = 64) -> Any:
    return strictjson.loads(body, max_bytes=max_bytes, max_depth=max_depth)


def faults(body: bytes, **limits: int) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as raised:
        loads(body, **limits)
    return {problem.pointer: problem.detail for problem in raised.value.problems}


@given(values)
def test_round_trip(value: object) -> None:
    assert loads(strictjson.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "line 1, column 2"),
        (b'{"a":1,}', "line 1"),
        (b"{'a':1}", "line 1"),
        (b'{"a":1} x', "column 9"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a":\n tru}', "line 2"),
        (b"[" * 100_000, "deep"),
        (b'{"a":' * 100_000, "deep"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
    ],
)
def test_what_is_not_json(body: bytes, word: str) -> None:
    started = time.monotonic()
    with pytest.raises(MalformedBody, match=word):
        loads(body)
    assert time.monotonic() - started < 2


def test_too_large() -> None:
    with pytest.raises(BodyTooLarge, match="at most 10 "):
        loads(b'"' + b"x" * 10 + b'"', max_bytes=10)


def test_every_fault_at_once() -> None:
    found = faults(b'{"a":1,"a":2,"b":[NaN,-Infinity,1e400,"\\ud800"],"\\udc00":0,"c/~":{"x":1,"x":1,"x":1}}')
    assert set(found) == {"/a", "/b/0", "/b/1", "/b/2", "/b/3", "/\\udc00", "/c~1~0/x"}
    assert "more than once" in found["/a"] and "NaN is not JSON" in found["/b/0"]
    assert "out of range" in found["/b/2"] and "surrogate" in found["/b/3"]


def test_an_integer_that_is_too_long_is_named_where_it_stands() -> None:
    long = b"9" * 5000
    assert faults(long) == {"": "the number has thousands of digits: use a string"}
    body = b'{"a":[1,-%b,%b],"b":{"c/d":%b},"e":NaN,"e":%b}' % (long, b"9" * 4300, long, long)
    found = faults(body)
    assert list(found) == ["/a/1", "/b/c~1d", "/e"]
    assert "thousands of digits" in found["/a/1"] and "thousands of digits" in found["/b/c~1d"]
    assert len(faults(b"[" + b",".join([long] * 200) + b"]")) == 100


def test_depth_is_named_where_it_is_passed() -> None:
    assert loads(b"[" * 64 + b"]" * 64) is not None
    assert list(faults(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}")) == ["/a" + "/0" * 63]


def test_a_body_of_faults_is_answered_in_time() -> None:
    assert len(faults(b"[" + b"NaN," * 500_000 + b"1]")) == 100


@dataclass
class Point:
    x: int


def test_dumps_takes_what_pydantic_takes() -> None:
    value = {"at": datetime(2026, 1, 2, tzinfo=UTC), "point": Point(1), "set": {1}, "é": "☃"}
    assert strictjson.dumps(value) == '{"at":"2026-01-02T00:00:00Z","point":{"x":1},"set":[1],"é":"☃"}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"a": object()}, {"\udfff": 1}])
def test_dumps_refuses_what_json_cannot_say(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        strictjson.dumps(value)


def test_pointers_are_escaped() -> None:
    assert strictjson.pointer() == "" and strictjson.pointer("a/b", 0, "~") == "/a~1b/0/~0"


@pytest.mark.parametrize("value", ["]" * 999, ["["] * 999, {"a\\": "{" * 999}, [[1], [2]] * 999, {'"[': ['\\"', "]["]}])
def test_depth_is_counted_in_brackets_of_lists_and_objects_alone(value: Any) -> None:
    assert json.loads(strictjson.dumps(value)) == value


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a[": value}])
def test_dumps_refuses_what_is_nested_too_deep(wrap: Callable[[Any], Any]) -> None:
    value: Any = "x"
    for _ in range(strictjson.DEEPEST):
        value = wrap(value)
    assert json.loads(strictjson.dumps(value)) == value
    for deeper in (wrap(value), functools.reduce(lambda inner, _: wrap(inner), range(5000), value)):
        with pytest.raises(ValueError, match=f"nested deeper than {strictjson.DEEPEST} levels"):
            strictjson.dumps(deeper)
