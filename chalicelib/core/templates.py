"""Templates in configs: `{{ node.path.0.field }}`. A template is a path and nothing else: it evaluates nothing.

A name with dots, blanks or the like is written in brackets as a JSON string: `{{ ["a.b"].body["odd key"] }}`. Two
closing braces in it are written as `\\u007d\\u007d`, since the first two in the text close the template. The text is
scanned with `str.find`, so that no input makes it slow. The value of a template is not searched for templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core import strictjson
from chalicelib.errors import Problem, TemplateError

OPEN, CLOSE = "{{", "}}"
_SHOWN = 80
_NOT_BARE = re.compile(r"[\s{}]")
# A name in brackets, as a JSON string, or one without blanks, braces, dots and quoted brackets.
_SEGMENT = re.compile(r'(\.?)(?:\[("(?:[^"\\]|\\.)*")\]|((?:[^\s{}.\[]|\[(?!"))+))', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a template names: `root` (a node's id, `params`, `secrets`), and the path within its value."""

    root: str
    path: tuple[str, ...]
    text: str


def has_template(text: str) -> bool:
    return OPEN in text


def find(value: Any) -> Iterator[tuple[tuple[str | int, ...], Reference]]:
    """Every well-formed template in a JSON value, keys included, with the place of the string that holds it."""
    for place, text in _strings(value):
        for part in _parts(text):
            if isinstance(part, Reference):
                yield place, part


def problems(value: Any) -> Iterator[Problem]:
    """Every malformed template; pointers are relative to the value."""
    for place, text in _strings(value):
        for part in _parts(text):
            if isinstance(part, _Fault):
                yield Problem(strictjson.pointer(*place), part.detail)


def render(value: Any, lookup: Mapping[str, Any]) -> Any:
    """The value with every template replaced by what `lookup` has at its path. Raises TemplateError.

    A string that is one template alone becomes the value with its type. In a longer string, a value that is text stands
    as it is, and any other as JSON. Keys become strings.
    """
    if isinstance(value, str):
        return _render_string(value, lookup) if OPEN in value else value
    if isinstance(value, list):
        return [render(item, lookup) for item in value]
    if isinstance(value, Mapping):
        rendered: dict[str, Any] = {}
        for key, item in value.items():
            name = _text(_render_string(key, lookup)) if OPEN in key else key
            if name in rendered:
                raise TemplateError(
                    f"two keys of one object become `{_short(name)}` once their templates are filled in"
                )
            rendered[name] = render(item, lookup)
        return rendered
    return value


@dataclass(frozen=True, slots=True)
class _Fault:
    detail: str


def _strings(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every string that holds a `{{`, keys included, without recursion."""
    if isinstance(value, str):
        if OPEN in value:
            yield (), value
        return
    stack: list[tuple[tuple[str | int, ...], Iterator[tuple[Any, Any]]]] = [((), _items(value))]
    while stack:
        place, items = stack[-1]
        for key, inner in items:
            if isinstance(key, str) and OPEN in key:
                yield (*place, key), key
            if isinstance(inner, str):
                if OPEN in inner:
                    yield (*place, key), inner
            elif isinstance(inner, (Mapping, list)):
                stack.append(((*place, key), _items(inner)))
                break
        else:
            stack.pop()


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return iter(value.items())
    return enumerate(value) if isinstance(value, list) else iter(())


def _parts(text: str) -> Iterator[str | Reference | _Fault]:
    """The text between templates, the templates, and what looks like one and is none."""
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            yield text[position:start]
        end = text.find(CLOSE, start + 2)
        if end < 0:
            yield _Fault(f"`{_short(text[start:])}` opens a template and never closes it: add `}}}}`")
            return
        yield _reference(text[start + 2 : end], text[start : end + 2])
        position = end + 2
    if position < len(text):
        yield text[position:]


def _reference(inside: str, text: str) -> Reference | _Fault:
    path = inside.strip()
    if not path:
        return _Fault(f"`{_short(text)}` is empty: name a node (or `params`) and a path, as in `{{{{ params.id }}}}`")
    segments = _segments(path)
    if segments is None:
        return _Fault(
            f"`{_short(text)}` is not a path: a template is names and indices joined by dots, as in "
            "`{{ get_user.body.0.name }}`, or in brackets and quotes; it computes nothing"
        )
    if not path.startswith('["') and not is_bare(segments[0]):
        return _Fault(
            f"`{_short(text)}` does not begin with a node's id, `params` or `secrets`. An id with more in it than "
            'letters, digits, `_` and `-` stands in brackets and quotes, as in `{{ ["a.b"].body }}`'
        )
    return Reference(segments[0], tuple(segments[1:]), text)


def _segments(path: str) -> list[str] | None:
    """The names and indices of a path, or None if it is not one."""
    if '["' not in path:  # as in nearly all paths
        segments = path.split(".")
        return segments if all(segments) and not _NOT_BARE.search(path) else None
    segments = []
    at = 0
    while at < len(path):
        found = _SEGMENT.match(path, at)
        if found is None:
            return None
        dot, quoted, bare = found.groups()
        if dot if at == 0 else bare and not dot:
            return None
        try:
            segments.append(_unquoted(quoted) if quoted else bare)
        except ValueError:
            return None
        at = found.end()
    return segments


def _unquoted(quoted: str) -> str:
    """The name in a JSON string. Raises ValueError, also for half a surrogate pair."""
    name: str = json.loads(quoted)
    name.encode()
    return name


def is_bare(name: str) -> bool:
    """Whether a path may begin with the name as it is, without brackets and quotes."""
    return all(c.isalnum() or c in "_-" for c in name)


def _render_string(text: str, lookup: Mapping[str, Any]) -> Any:
    rendered: list[Any] = []
    for part in _parts(text):
        if isinstance(part, _Fault):
            raise TemplateError(part.detail)
        rendered.append(_value(part, lookup) if isinstance(part, Reference) else part)
    return rendered[0] if len(rendered) == 1 else "".join(map(_text, rendered))


def _value(reference: Reference, lookup: Mapping[str, Any]) -> Any:
    if reference.root not in lookup:
        raise TemplateError(f"`{_short(reference.text)}`: there is no value for `{reference.root}`")
    value, reached = lookup[reference.root], reference.root
    for segment in reference.path:
        value = _step(value, segment, reached, reference.text)
        reached = f"{reached}.{segment}"
    return value


def _step(value: Any, segment: str, reached: str, text: str) -> Any:
    where = f"`{_short(text)}`: `{_short(reached)}`"
    if isinstance(value, Mapping):
        if segment in value:
            return value[segment]
        names = ", ".join(_short(str(name)) for name in list(value)[:10]) or "nothing"
        raise TemplateError(f"{where} has no `{_short(segment)}` (it has: {names})")
    if isinstance(value, list):
        if segment.isascii() and segment.isdigit() and len(segment) < 10 and int(segment) < len(value):
            return value[int(segment)]
        raise TemplateError(f"{where} is a list of {len(value)}: `{_short(segment)}` is not an index in it")
    kind = "null" if value is None else type(value).__name__
    raise TemplateError(f"{where} is {kind}, so it has no `{_short(segment)}`")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else strictjson.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
