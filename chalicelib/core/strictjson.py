"""JSON by RFC 8259, without what only some parsers accept; each fault has its JSON pointer (RFC 6901)."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import to_jsonable_python

from chalicelib.core.text import plain
from chalicelib.errors import BodyTooLarge, InvalidDocument, MalformedBody, Problem

MAX_PROBLEMS = 100
# A value that is passed on has at most this many levels of lists and objects, since the code that reads it recurses.
# pydantic's limit is 255, including the levels around the value.
DEEPEST = 200
# A key may be as long as the body: a pointer ends before such a key, at the object that has it.
MAX_POINTER = 1000


def pointer(*parts: str | int) -> str:
    """An RFC 6901 JSON pointer: `pointer("a/b", 0)` is `/a~1b/0`."""
    text = ""
    for part in parts:
        longer = str(part)
        if len(text) + len(longer) > MAX_POINTER:
            break
        text += "/" + longer.replace("~", "~0").replace("/", "~1")
    return text


def loads(body: bytes, *, max_bytes: int, max_depth: int) -> Any:
    """The value of a JSON body. Raises BodyTooLarge, MalformedBody, or InvalidDocument with every fault found:

    duplicate keys, NaN, numbers that are out of range or too long, lone surrogates, nesting deeper than `max_depth`.
    """
    if len(body) > max_bytes:
        raise BodyTooLarge(f"the body may have at most {max_bytes} bytes")
    if not body.strip():
        raise MalformedBody("the body is empty: send a JSON object")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8: byte {error.start} is wrong") from None
    if text.startswith("\ufeff"):
        raise MalformedBody("the body begins with a byte order mark: send UTF-8 without one")
    try:
        value = _parsed(text)
    except json.JSONDecodeError as error:
        raise MalformedBody(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise MalformedBody(f"the JSON is nested far too deep: at most {max_depth} levels are taken") from None
    problems = _problems(value, max_depth)
    if problems:
        raise InvalidDocument(problems)
    return value


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Compact JSON. `default`, or else pydantic, converts dates, models, dataclasses and the like.

    Raises ValueError or TypeError for what JSON cannot express: NaN, infinity, lone surrogates, objects of other kinds;
    and for what is nested deeper than DEEPEST.
    """
    default = default or _default
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default)
    except ValueError as error:
        if "JSON compliant" in str(error):
            raise ValueError("NaN and infinity are not JSON: use null or a string") from None
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if len(text) > 2 * DEEPEST and text.count("[") + text.count("{") > DEEPEST and _is_deep(text):
        raise ValueError(_TOO_DEEP)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a string holds half of a surrogate pair, which is not Unicode text") from None
    return text


def received(body: bytes | str) -> Any:
    """The value of JSON from another service. Unlike `loads`, this accepts duplicate keys: the last one counts.

    Raises ValueError for what is not JSON or cannot be stored as JSON: NaN, 1e400, lone surrogates, too deep nesting.
    """
    try:
        value = json.loads(body)
        dumps(value)
    except RecursionError:
        raise ValueError("the JSON is nested far too deep") from None
    return value


_TOO_DEEP = f"it is nested deeper than {DEEPEST} levels: flatten it"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _is_deep(text: str) -> bool:
    """Whether a JSON text is nested deeper than DEEPEST.

    Each turn removes one level, the innermost pairs of brackets outside of strings, until the rest cannot be that deep.
    So nothing recurses, and Python needs no step for each value.
    """
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    brackets = outside.encode().translate(None, _NO_BRACKETS)
    for level in range(DEEPEST + 1):
        if len(brackets) <= 2 * (DEEPEST - level):
            return False
        brackets = brackets.replace(b"[]", b"  ").replace(b"{}", b"  ").translate(None, b" ")
    return True


def jsonable(value: Any) -> Any:
    """A value that JSON has no form for, as pydantic converts it. Raises whatever the value's own code raises."""
    return to_jsonable_python(value)


def _default(value: Any) -> Any:
    try:
        return jsonable(value)
    except Exception:
        raise TypeError(f"a value of type {type(value).__name__} is not JSON") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_NotJson)
    except json.JSONDecodeError:
        raise
    except ValueError:  # int() refuses more digits than sys.get_int_max_str_digits
        # Only this second pass finds where they are: with a hook for integers, every other body would take longer.
        return json.loads(text, object_pairs_hook=_object, parse_constant=_NotJson, parse_int=_integer)


def _integer(digits: str) -> Any:
    try:
        return int(digits)
    except ValueError:
        return _TOO_LONG


# Stands for an integer that has too many digits.
_TOO_LONG = object()


class _NotJson:
    """Stands for NaN, Infinity or -Infinity."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Object(dict[str, Any]):
    """An object with duplicate keys."""

    duplicates: list[str]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    single = dict(pairs)
    if len(single) == len(pairs):
        return single
    seen: set[str] = set()
    marked = _Object(single)
    marked.duplicates = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    return marked


def _problems(value: Any, max_depth: int) -> list[Problem]:
    """At most MAX_PROBLEMS: a body of 5 MB has room for a million."""
    found: list[Problem] = []
    _walk(value, [], max_depth, found)
    return sorted(found, key=lambda problem: problem.pointer)


def _walk(item: Any, place: list[str | int], max_depth: int, found: list[Problem]) -> None:
    """Recurse, never deeper than `max_depth`. All calls share one `place`: a million values need no copy each."""
    if not isinstance(item, (dict, list)):
        found += _scalar_problems(place, item)
        return
    if len(place) >= max_depth:
        found.append(Problem(plain(pointer(*place)), f"nested deeper than {max_depth} levels: flatten it"))
        return
    if isinstance(item, dict):
        found += itertools.islice(_object_problems(place, item), MAX_PROBLEMS - len(found))
    for key, inner in item.items() if isinstance(item, dict) else enumerate(item):
        if len(found) >= MAX_PROBLEMS:
            return
        place.append(key)
        _walk(inner, place, max_depth, found)
        place.pop()


def _object_problems(place: list[str | int], item: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(item, _Object):
        for key in dict.fromkeys(item.duplicates):
            yield Problem(plain(pointer(*place, key)), "this key stands here more than once: keep one of them")
    for key in item:
        if not _is_text(key):
            yield Problem(plain(pointer(*place, key)), _SURROGATE)


_SURROGATE = "holds half of a surrogate pair (\\ud800 to \\udfff alone), which is not Unicode text: remove it"


def _scalar_problems(place: list[str | int], item: Any) -> list[Problem]:
    if isinstance(item, _NotJson):
        detail = f"{item.name} is not JSON: use null or a string"
    elif item is _TOO_LONG:
        detail = "the number has thousands of digits: use a string"
    elif isinstance(item, float) and not math.isfinite(item):
        detail = "the number is out of range (at most 1.8e308): use a string"
    elif isinstance(item, str) and not _is_text(item):
        detail = _SURROGATE
    else:
        return []
    return [Problem(plain(pointer(*place)), detail)]


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
