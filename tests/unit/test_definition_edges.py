"""Faults of a submission quote their subject: long texts are cut, and the number of faults is limited."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import sentences
from tests.unit.test_definition import N, node, problems, workflow


@pytest.mark.parametrize(
    ("length", "shown"), [(1, "x"), (60, "x" * 60), (61, f"{'x' * 57}..."), (999, f"{'x' * 57}...")]
)
def test_what_is_shown_of_a_long_text_has_sixty_characters(length: int, shown: str) -> None:
    assert sentences.short("x" * length) == shown


SENTENCES: list[tuple[Any, str, str]] = [
    (workflow(node(), name=5), "/name", "must be a string, not `5`"),
    (workflow(node(), name=None), "/name", "must be a string, not null"),
    (workflow(node(), name={}), "/name", "must be a string, not an object"),
    (workflow(node(), name=[]), "/name", "must be a string, not a list"),
    (workflow(node(), name=True), "/name", "must be a string, not true"),
    (workflow(node(), name=False), "/name", "must be a string, not false"),
    (workflow(node(), name=10**70), "/name", f"must be a string, not `1{'0' * 56}...`"),
    (workflow(node(), name="x" * 201), "/name", "is too long: at most 200 characters"),
    (workflow(node(), name=""), "/name", "must not be empty"),
    ({"dag": {"nodes": [node()]}}, "/name", "`name` is missing: add it"),
    ([1], "", "the body must be a JSON object, not a list"),
    ("x", "", "the body must be a JSON object, not `x`"),
    (workflow(), N, "the DAG is empty: give it at least one node"),
    (workflow(node(), nmae="x"), "/nmae", "there is no field `nmae`: did you mean `name`?"),
    (workflow(node(), qqqq="x"), "/qqqq", "there is no field `qqqq`: remove it"),
    (workflow(node(), timeout_seconds="x"), "/timeout_seconds", "must be a number, not `x`"),
    (workflow(node(), timeout_seconds=0), "/timeout_seconds", "must be more than 0, not `0`"),
    (
        workflow(node(retry_policy={"max_attempts": 0})),
        f"{N}/0/retry_policy/max_attempts",
        "must be at least 1, not `0`",
    ),
    (
        workflow(node(retry_policy={f"x{number}": 1 for number in range(21)})),
        f"{N}/0/retry_policy",
        "has 21 fields, most of which mean nothing here: remove them",
    ),
    (
        workflow(node(), failure_policy="stop"),
        "/failure_policy",
        "must be `continue` or `fail_fast`, not `stop`",
    ),
]


@pytest.mark.parametrize(("document", "pointer", "sentence"), SENTENCES)
def test_a_fault_says_what_is_wanted_and_what_was_given(document: Any, pointer: str, sentence: str) -> None:
    assert problems(document)[pointer] == sentence
