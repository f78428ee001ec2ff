"""The sentence for each fault that pydantic finds in a document: what is wrong, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from chalicelib.models.workflow import Dag, Defaults, Node, RetryPolicy, Webhook, Workflow

_SHOWN = 60
_FIELDS = [name for model in (Workflow, Dag, Node, RetryPolicy, Defaults, Webhook) for name in model.model_fields]
_NOUNS = {
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "finite_number": "must be a finite number",
}
# By the field; `[key]` stands for the keys of the tags.
_PATTERNS = {
    "url": "a URL: it begins with http:// or https://, and has no templates",
    "secret": "the name of a secret: use letters, digits, `_` and `-`, at most 128",
    "[key]": "the name of a tag: use letters, digits, `_`, `.` and `-`, at most 64",
}


def sentence(fault: Any, known: Iterable[str] | None = None) -> str:
    """`fault` is an entry of pydantic's `errors()`; `known` are the fields to suggest for an unknown one, those of a
    workflow by default."""
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind == "missing":
        return f"`{fault['loc'][-1]}` is missing: add it"
    if kind == "extra_forbidden":
        name = str(fault["loc"][-1])
        names = list(known) if known is not None else _FIELDS
        close = difflib.get_close_matches(name[:128], names, n=1)
        hint = f"did you mean `{close[0]}`?" if close else "remove it"
        return f"there is no field `{short(name)}`: {hint}"
    if kind in ("model_type", "model_attributes_type") and not fault["loc"]:
        return f"the body must be a JSON object{_got(fault['input'])}"
    if kind in _NOUNS:
        return wrong_type(kind, fault["input"])
    if kind == "string_pattern_mismatch":
        return f"`{short(str(fault['input']))}` is not {_PATTERNS[str(fault['loc'][-1])]}"
    if kind == "literal_error":
        return f"must be {context['expected'].replace(chr(39), '`')}{_got(fault['input'])}"
    if kind == "too_short" and fault["loc"][-1:] == ("nodes",):
        return "the DAG is empty: give it at least one node"
    if kind in ("string_too_short", "too_short"):
        return "must not be empty"
    if kind == "string_too_long":
        return f"is too long: at most {context['max_length']} characters"
    for word, text in (
        ("greater_than_equal", "at least"),
        ("less_than_equal", "at most"),
        ("greater_than", "more than"),
    ):
        if kind == word:
            return f"must be {text} {next(iter(context.values())):g}{_got(fault['input'])}"
    message = str(fault["msg"])
    return message.removeprefix("Value error, ")[:300]


def wrong_type(kind: str, value: Any) -> str:
    """The sentence for a value whose type is wrong; `kind` is pydantic's name of the fault."""
    return _NOUNS[kind] + _got(value)


def _got(value: Any) -> str:
    if value is None:
        return ", not null"
    if isinstance(value, (dict, BaseModel)):
        return ", not an object"
    if isinstance(value, list):
        return ", not a list"
    return f", not `{short(str(value))}`" if not isinstance(value, bool) else f", not {str(value).lower()}"


def short(text: str) -> str:
    """The text, cut to what a sentence has room for."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
