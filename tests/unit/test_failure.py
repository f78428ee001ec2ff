"""The description of an error has its causes, is limited, and is valid UTF-8, whatever the error does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.core import failure
from chalicelib.errors import DoNotRetry
from chalicelib.secrets.redact import Redactor
from chalicelib.worker import attempt


class Untold(Exception):
    def __str__(self) -> str:
        raise KeyError("nor this")


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class NoText(Exception):
    def __str__(self) -> Any:
        return 7


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(("error", "why"), [(Untold(), "KeyError"), (Exits(), "SystemExit"), (NoText(), "TypeError")])
def test_an_error_that_cannot_be_told_is_still_what_it_was(error: Exception, why: str) -> None:
    failed = attempt.describe(raised(error))
    assert failed.type == type(error).__name__ and why in failed.message and failed.retry


@pytest.mark.parametrize(
    "error",
    [
        ValueError("\udcff" * 3000),
        type("N" * 3000, (Exception,), {})("\udcff"),
        ValueError("x" * 10_000_000),
        ExceptionGroup("\ud800", [ValueError("\udfff") for _ in range(5000)]),
    ],
)
def test_every_part_is_unicode_and_bounded(error: Exception) -> None:
    error.add_note("\udcff" * 5000)
    failed = attempt.describe(raised(error, ValueError("\udcff" * 5000)))
    for part, most in ((failed.type, 200), (failed.message, 2000), (failed.traceback or "", 4000)):
        assert part.encode() and len(part) <= most
    json.loads(failed.encode())


def test_causes_are_told() -> None:
    inner = raised(KeyError("the root"))
    middle = raised(ValueError("the middle"), inner)
    failed = attempt.describe(raised(RuntimeError("the end"), middle))
    assert failed.message == "the end; caused by ValueError: the middle; caused by KeyError: 'the root'"
    assert failed.traceback and failed.traceback.count("in raised") == 3 and failed.traceback.startswith("KeyError:\n")


def test_what_was_being_handled_is_told_and_what_is_hidden_is_not() -> None:
    def fails(hidden: bool) -> str:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                if hidden:
                    raise ValueError("second") from None
                raise ValueError("second")  # noqa: B904
        except ValueError as error:
            return attempt.describe(error).message

    assert fails(False) == "second; while handling KeyError: 'first'" and fails(True) == "second"


def test_a_group_tells_what_it_holds_and_its_notes() -> None:
    group = ExceptionGroup("two", [ValueError("one"), ExceptionGroup("inner", [KeyError("deep")])])
    group.add_note("while it was raining")
    message = attempt.describe(raised(group)).message
    assert "ValueError: one" in message and "KeyError: 'deep'" in message and "while it was raining" in message


def test_causes_that_go_in_a_circle_end() -> None:
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    assert attempt.describe(one).message == "one; caused by KeyError: 'other'"


def test_do_not_retry_holds_however_deep_in_groups() -> None:
    group: Exception = DoNotRetry("hopeless")
    for _ in range(3000):
        group = ExceptionGroup("more", [ValueError("x"), group])
    assert not attempt.describe(group).retry
    assert attempt.describe(ExceptionGroup("more", [ValueError("x")])).retry
    assert attempt.describe(raised(ValueError("said anew"), DoNotRetry("within"))).retry


def test_no_secret_is_in_what_causes_say() -> None:
    secret = "s3cret-value"
    error = raised(type(f"E{secret}", (Exception,), {})(secret), ExceptionGroup(secret, [ValueError(secret)]))
    error.add_note(secret)
    failed = attempt.describe(error, Redactor([secret]))
    assert secret not in failed.encode().decode() and "***" in failed.message


def test_a_redactor_that_fails_tells_nothing() -> None:
    def broken(text: str) -> str:
        raise RuntimeError("no")

    assert failure.message_of(ValueError("secret"), broken) == "(this cannot be told: RuntimeError)"
