"""stdin, stdout and stderr, which may have any encoding, be closed, be full, or have no reader."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from typing import Any, TextIO

# Replacements for characters that the terminal cannot show. All others are escaped as in JSON.
_SHOWN = {
    "✓": "+",
    "✗": "x",
    "…": "...",
    "→": "->",
    "·": ".",
    "─": "-",
    "━": "#",
    "╸": "#",
    "╺": "-",
    "│": "|",
    "╭": "+",
    "╮": "+",
    "╰": "+",
    "╯": "+",
    "┃": "|",
    "└": "`",
    "├": "|",
    "•": "*",
    "µ": "u",
}  # fmt: skip


def _shown(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_SHOWN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


codecs.register_error("dag", _shown)


class _Closed(io.RawIOBase):
    """Stands for a stream that the shell closed (`<&-`, `>&-`): using it raises OSError. Python has None there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, _: Any) -> int:
        raise OSError(errno.EBADF, "it is closed", self._name)

    def write(self, _: Any) -> int:
        raise OSError(errno.EBADF, "it is closed", self._name)


def tolerate() -> None:
    """From now on, stdout and stderr accept every character, and streams that are closed raise OSError."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            raw: Any = _Closed(name)
            setattr(sys, name, io.TextIOWrapper(raw, "utf-8", write_through=True))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="dag")


def can_show_all(stream: TextIO) -> bool:
    """Whether the stream can show every character as it is."""
    try:
        return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
    except LookupError:
        return False


def let_go() -> None:
    """Discard what cannot be written. Python would try again when it exits, and exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _to_nowhere(stream)


def _to_nowhere(stream: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
