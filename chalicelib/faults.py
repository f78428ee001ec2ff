"""Explains invalid settings, with one line for each fault. It does not show pydantic's own messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import SecretStr, ValidationError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from chalicelib.settings import Environment

HIDDEN = "***"
LONGEST = 100
# How similar a name must be to a setting's to be taken for a typo: REDIS_ULR is one of REDIS_URL, HOME is none of HOST.
ALIKE = 0.88
BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}


def of(model: type[Environment], given: Mapping[str, str], error: ValidationError) -> list[str]:
    """A line for every fault of the `given` values by field name, in the order of the fields.

    pydantic looks for contradictions only if each value is valid: so the valid ones are validated once more.
    """
    lines = dict(_of_fields(model, given, error))
    valid = {name: value for name, value in given.items() if name not in lines}
    try:
        model.model_validate(valid)
    except ValidationError as again:
        error = again
    for name, detail, involved in _contradictions(error):
        if not any(one in lines for one in involved):
            lines[name] = line(model, name, given.get(name), detail)
    return [lines[name] for name in model.model_fields if name in lines]


def line(model: type[Environment], name: str, value: str | None, detail: str) -> str:
    """`LEASE_SECONDS=inf: a number from 0.01 to 43200 is expected`."""
    return f"{name.upper()}={shown(value or '', secret=is_secret(model.model_fields[name]))}: {detail}"


def shown(value: str, *, secret: bool = False) -> str:
    """The value on one line, shortened if it is long, and hidden if it may hold a password."""
    if value and (secret or "@" in value):
        return HIDDEN
    text = value if value.isprintable() else repr(value)[1:-1]
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or not field.repr


def slips(environment: Mapping[str, str], known: Iterable[str], *, but: tuple[str, ...] = ()) -> list[str]:
    """A line for each variable that nothing reads and whose name is similar to one in `known`: probably a typo.

    Variables that begin with one of `but` belong to others.
    """
    import difflib

    names = set(known)
    found = []
    for name in sorted(set(environment) - names):
        near = [] if name.startswith(but) else difflib.get_close_matches(name, names, 1, ALIKE)
        if near:
            found.append(f"{name} is no setting, and nothing reads it: is {near[0]} meant?")
    return found


def _of_fields(model: type[Environment], given: Mapping[str, str], error: ValidationError) -> Iterator[tuple[str, str]]:
    for fault in error.errors(include_url=False, include_input=False):
        if fault["loc"]:
            name = str(fault["loc"][0])
            own = fault.get("ctx", {}).get("error")  # raised by a validator of ours
            detail = str(own) if isinstance(own, ValueError) else f"{expected(model.model_fields[name])} is expected"
            yield name, line(model, name, given.get(name), detail)


def _contradictions(error: ValidationError) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for fault in error.errors(include_url=False, include_input=False):
        yield from getattr(fault.get("ctx", {}).get("error"), "found", ())


def expected(field: FieldInfo) -> str:
    """The values that a field takes, in words: `a whole number from 1 to 64`."""
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    words = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
    bounds = [text.format(_plain(bound)) for key, text in BOUNDS.items() if (bound := _bound(field, key)) is not None]
    if pattern := _bound(field, "pattern"):
        bounds.append(f"that matches {pattern}")
    return " ".join([words, *bounds])


def _kind(annotation: Any) -> Any:
    """The type itself, without None: `int` for `int | None`."""
    if isinstance(annotation, UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _bound(field: FieldInfo, key: str) -> Any:
    return next((getattr(one, key) for one in field.metadata if getattr(one, key, None) is not None), None)


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"
