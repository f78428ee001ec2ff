"""Removes secret values from what is stored or logged, in every form in which they are likely to occur there."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
# A shorter value occurs everywhere by chance and cannot be masked: it is refused as a secret.
MIN_LENGTH = 4
# Texts of errors are truncated at their source. So the first characters of a form, this many, are masked as well.
_MIN_HEAD, _HEAD = 8, 16
# Characters that urllib3 does not encode in a complete URL.
_RESERVED = "/?:@!$&'()*+,;=[]"
# A shorter piece of base64 occurs by chance.
_MIN_BASE64 = 8


class Redactor:
    """Replaces the values, in all their forms, by `***`."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        # The longest come first, so that a form is replaced before a shorter one that is part of it.
        self._forms = sorted({form for value in values for form in forms(value)}, key=lambda form: (-len(form), form))

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """Mask a text of an error or log: the forms, and their beginnings, too."""
        text = self._whole(text)
        for form in self._forms:
            head = form[: max(_MIN_HEAD, min(_HEAD, len(form) // 2))]
            while (at := text.find(head)) >= 0:
                # Several forms may begin like this. The one with the longest match is the one that was truncated.
                text = text[:at] + MASK + text[at + max(_matching(text, at, other) for other in self._forms) :]
        return text

    def value(self, value: Any) -> Any:
        """Mask a result, which is a JSON value: the forms in its strings, keys and numbers. Nothing else changes."""
        if isinstance(value, str):
            return self._whole(value)
        if isinstance(value, Mapping):
            return {self._whole(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            digits = json.dumps(value)  # a service may echo "4711" as 4711
            return value if self._whole(digits) == digits else MASK
        return value

    def _whole(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


NOTHING = Redactor()


def forms(value: str) -> Iterator[str]:
    """The value itself, percent-encoded, escaped for HTML, Python and JSON (also twice: JSON in JSON), in base64."""
    percent = [quote(value, safe=""), quote(value), quote_plus(value), quote(value, safe=_RESERVED)]
    plain = [value, *percent, *map(_lower_hex, percent), html.escape(value), repr(value)[1:-1]]
    for form in plain:
        for ascii in (True, False):
            once = json.dumps(form, ensure_ascii=ascii)[1:-1]
            yield from (form, once, json.dumps(once)[1:-1])
    for piece in _base64(value.encode()):
        yield from (piece, piece.replace("+", "-").replace("/", "_"))


def _matching(text: str, at: int, form: str) -> int:
    """How many characters of the form match the text at `at`."""
    return next((n for n, character in enumerate(form) if text[at + n : at + n + 1] != character), len(form))


def _lower_hex(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _base64(value: bytes) -> Iterator[str]:
    """The value's base64 at each offset within encoded bytes, without characters that depend on neighbouring bytes."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value).decode()
        bits = 8 * (offset + len(value))
        piece = encoded[-(-8 * offset // 6) : bits // 6]
        if len(piece) >= _MIN_BASE64:
            yield piece
