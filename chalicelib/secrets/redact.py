"""Takes secret values out of what is stored or logged, in every form that they are likely to have there."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
# A shorter value is found everywhere by chance, so it cannot be kept out of anything: it is refused as a secret.
MIN_LENGTH = 4
# Errors are cut to length where they are made: so much of a form's beginning is the secret as well.
_MIN_HEAD, _HEAD = 8, 16
# What urllib3 leaves as it is in a URL that it was given whole.
_RESERVED = "/?:@!$&'()*+,;=[]"
# A short piece of base64 is found by chance.
_MIN_BASE64 = 8


class Redactor:
    """Replaces the values by `***`."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        # The longest first, so that no form is cut into by a shorter one that is part of it.
        self._forms = sorted({form for value in values for form in forms(value)}, key=lambda form: (-len(form), form))

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """For errors and logs: the forms, and their beginnings too."""
        text = self._whole(text)
        for form in self._forms:
            head = form[: max(_MIN_HEAD, min(_HEAD, len(form) // 2))]
            while (at := text.find(head)) >= 0:
                # Forms begin alike: the one that reaches furthest is the one that was cut.
                text = text[:at] + MASK + text[at + max(_alike(text, at, other) for other in self._forms) :]
        return text

    def value(self, value: Any) -> Any:
        """For results: a JSON value with the forms replaced in strings, keys and numbers. Nothing else is changed."""
        if isinstance(value, str):
            return self._whole(value)
        if isinstance(value, Mapping):
            return {self._whole(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            digits = json.dumps(value)  # a service may well echo "4711" as 4711
            return value if self._whole(digits) == digits else MASK
        return value

    def _whole(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


NOTHING = Redactor()


def forms(value: str) -> Iterator[str]:
    """The value as it is, percent-encoded, escaped for HTML, Python and JSON (twice: JSON in JSON), and in base64."""
    percent = [quote(value, safe=""), quote(value), quote_plus(value), quote(value, safe=_RESERVED)]
    plain = [value, *percent, *map(_lower_hex, percent), html.escape(value), repr(value)[1:-1]]
    for form in plain:
        for ascii in (True, False):
            once = json.dumps(form, ensure_ascii=ascii)[1:-1]
            yield from (form, once, json.dumps(once)[1:-1])
    for piece in _base64(value.encode()):
        yield from (piece, piece.replace("+", "-").replace("/", "_"))


def _alike(text: str, at: int, form: str) -> int:
    """How many characters of the form stand at `at`."""
    return next((n for n, character in enumerate(form) if text[at + n : at + n + 1] != character), len(form))


def _lower_hex(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _base64(value: bytes) -> Iterator[str]:
    """What base64 makes of it wherever it stands in the encoded bytes: without the characters its neighbours share."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value).decode()
        bits = 8 * (offset + len(value))
        piece = encoded[-(-8 * offset // 6) : bits // 6]
        if len(piece) >= _MIN_BASE64:
            yield piece
