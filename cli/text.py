"""Text from outside, made safe for a terminal: it is printed literally, whatever it contains."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from rich.text import Text

# Characters that move the cursor, change colours or the direction of writing, and code points that are no characters.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
STYLES = {
    "PENDING": "dim",
    "RUNNING": "blue",
    "COMPLETED": "green",
    "FAILED": "bold red",
    "SKIPPED": "yellow",
    "CANCELLED": "magenta",
}


def clean(value: Any) -> str:
    """One line without control characters."""
    return re.sub(r"\s*[\t\n\r]\s*", " ", _CONTROLS.sub("", str(value)))


def lines(value: Any) -> str:
    """Like `clean`, but line ends and tabs stay."""
    return _CONTROLS.sub("", str(value).replace("\r\n", "\n"))


def literal(value: Any, style: str = "") -> Text:
    """A Text in which Rich looks for no markup. None becomes the empty text."""
    return Text("" if value is None else clean(value), style)


def status(value: Any) -> Text:
    """A status in its colour."""
    return literal(value, STYLES.get(str(value), ""))


def as_json(value: Any, *, indent: int | None = 2, ascii: bool = False) -> str:
    """JSON in which control characters are escaped, or, with `ascii`, everything that is not ASCII."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def clock(value: Any) -> str:
    """`2026-11-24T00:23:19.122Z` as local time: `2026-11-24 01:23:19`."""
    moment = instant(value)
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def instant(value: Any) -> datetime | None:
    """An RFC 3339 time; None if `value` is not one."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def between(start: Any, end: Any) -> str:
    """The duration between two RFC 3339 times; empty if either is unknown."""
    begun, ended = instant(start), instant(end)
    return "" if begun is None or ended is None else seconds((ended - begun).total_seconds())


def seconds(value: float) -> str:
    """`12 ms`, `3.4 s`, `2 min 05 s`, `3 h 07 min`."""
    if value < 1:
        return f"{max(value, 0) * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
