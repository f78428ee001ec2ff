"""docs/events.md names every event of the code at its level, and no other."""

from __future__ import annotations

import ast
import logging
import re
from collections import defaultdict
from collections.abc import Iterator

from chalicelib.worker import events
from tests.unit.test_imports import FILES, ROOT

LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
# Calls whose level or name is computed, by file and name.
WORKED_OUT = {("worker.py", "record failed"): {"WARNING", "ERROR"}, ("events.py", None): set()}


def logged() -> Iterator[tuple[str, set[str]]]:
    """Return every event with its levels."""
    for path in FILES:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            method, arguments = call.func, call.args
            if isinstance(method, ast.Name) and method.id == "best_effort":  # best_effort(log.warning, "an event", ...)
                method, arguments = arguments[0], arguments[1:]
            if not (
                isinstance(method, ast.Attribute) and isinstance(method.value, ast.Name) and method.value.id == "log"
            ):
                continue
            name = arguments[1 if method.attr == "log" else 0] if arguments else None
            fixed = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
            if method.attr in LEVELS:
                assert fixed, f"{path}:{call.lineno}: an event is a fixed string"
                yield fixed, {LEVELS[method.attr]}
            elif method.attr == "log":
                levels = WORKED_OUT[path.name, fixed]
                if fixed:
                    yield fixed, levels
    for level, event in events.EVENTS.values():
        yield event, {logging.getLevelName(level)}


# Each row of the table: the event and its levels.
ROWS = re.findall(r"^\| ([a-z ]+) \| ([A-Z, ]+) \|", (ROOT / "docs/events.md").read_text("utf-8"), re.M)


def test_the_table_is_what_the_code_says() -> None:
    in_code: dict[str, set[str]] = defaultdict(set)
    for name, levels in logged():
        in_code[name] |= levels
    assert {name: set(levels.split(", ")) for name, levels in ROWS} == in_code
    assert len(ROWS) == len(in_code) > 30
    assert all(re.fullmatch("[a-z ]{4,40}", name) for name in in_code)


def test_every_event_is_named_in_a_test_of_the_code_that_logs_it() -> None:
    folders = ("unit", "contract", "integration")
    texts = [path.read_text("utf-8") for folder in folders for path in (ROOT / "tests" / folder).glob("test_*.py")]
    assert [name for name, _ in ROWS if not any(f'"{name}"' in text for text in texts)] == []
