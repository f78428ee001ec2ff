"""Sources of input: a workflow from a file or stdin, params, and the line of a text to which a JSON pointer leads."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, NoReturn

from cli.failures import Exit, Failure, Fault

_BLANK = " \t\n\r"


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON: use null or a string")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise Failure(Exit.INVALID, f"the number {text} is out of range (at most 1.8e308): use a string")
    return value


# For input that is encoded anew before it is sent: the service would complain of an `Infinity` that is not in the file.
_STRICT = json.JSONDecoder(parse_constant=_constant, parse_float=_finite)


class Source:
    """The text of a file, or of stdin for `-`, and its name for messages. Raises Failure if it cannot be read."""

    def __init__(self, name: str) -> None:
        self.name = "stdin" if name == "-" else name
        try:
            self.raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except FileNotFoundError as error:
            raise Failure(Exit.NOT_FOUND, f"there is no file `{name}`") from error
        except OSError as error:
            raise Failure(Exit.INVALID, f"{name} cannot be read: {error.strerror}") from error
        self.text = self.raw.decode("utf-8", "replace")

    def json(self, decoder: json.JSONDecoder | None = None) -> Any:
        """The parsed JSON. Raises Failure with the line at which it is not JSON."""
        try:
            return decoder.decode(self.text) if decoder else json.loads(self.text)
        except json.JSONDecodeError as error:
            faults = [Fault("", f"{error.msg}, column {error.colno}", error.lineno)]
            raise Failure(Exit.INVALID, f"{self.name} is not JSON", faults=faults) from error
        except (ValueError, RecursionError) as error:
            raise Failure(Exit.INVALID, f"{self.name} is not JSON that can be read: {error}") from error

    def located(self, failure: Failure, within: str = "") -> Failure:
        """The failure with the lines of its faults in this text, which was sent as the part `within` of a request."""
        faults = [self._located(fault, within) for fault in failure.faults]
        message = f"{self.name}: {failure.message}" if faults else failure.message
        return Failure(failure.code, message, faults=faults, problem=failure.problem)

    def _located(self, fault: Fault, within: str) -> Fault:
        pointer = fault.pointer.removeprefix(within)
        if within and pointer == fault.pointer:
            return fault  # it is in another part of the request
        return Fault(pointer, fault.detail, line_of(self.text, pointer))


def line_of(text: str, pointer: str) -> int | None:
    """The line, from 1, of the value that an RFC 6901 pointer names; if it is missing, that of the nearest value above.
    None if the text is not JSON."""
    try:
        at = _skip(text, 0)
        for part in pointer.split("/")[1:]:
            found = _member(text, at, part.replace("~1", "/").replace("~0", "~"))
            if found is None:
                break
            at = found
    except (ValueError, IndexError, RecursionError):
        return None
    return text.count("\n", 0, at) + 1


def _member(text: str, at: int, name: str) -> int | None:
    """Where the value of `name` begins, in the object or array at `at`."""
    decoder, kind = json.JSONDecoder(), text[at]
    if kind not in "{[":
        return None
    at, number = _skip(text, at + 1), 0
    while text[at] not in "}]":
        key = str(number)
        if kind == "{":
            key, at = scanstring(text, at + 1, False)
            at = _skip(text, _skip(text, at) + 1)  # past the colon
        if key == name:
            return at
        at, number = _skip(text, decoder.raw_decode(text, at)[1]), number + 1
        if text[at] == ",":
            at = _skip(text, at + 1)
    return None


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at


def pairs(given: Iterable[str], option: str, *, last: bool = False) -> dict[str, str]:
    """`["k=v"]` as {"k": "v"}. With `last`, the last `=` separates, since a node's id may have one. Raises Failure."""
    found = {}
    for pair in given:
        key, equals, value = pair.rpartition("=") if last else pair.partition("=")
        if not key or not equals:
            raise Failure(Exit.INVALID, f"{option} takes KEY=VALUE, not `{pair}`")
        found[key] = value
    return found


def params(given: Sequence[str], file: str | None) -> dict[str, Any] | None:
    """The params of `--params file`, overridden by those of `--param k=v`; None if neither is given.

    A value that can be read as JSON (7, true, [1, 2], "7") is JSON, any other is text.
    """
    if not given and file is None:
        return None
    found = Source(file).json(_STRICT) if file is not None else {}
    if not isinstance(found, dict):
        raise Failure(Exit.INVALID, f"--params {file}: params are a JSON object")
    return found | {key: _value(value) for key, value in pairs(given, "--param").items()}


def _value(text: str) -> Any:
    try:
        return _STRICT.decode(text)
    except (ValueError, RecursionError):
        return text
