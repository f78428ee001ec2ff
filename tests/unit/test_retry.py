"""Retries of failed nodes at the limits: the last attempt, no backoff, a backoff beyond any float."""

from __future__ import annotations

import random

import pytest

from chalicelib.core.retry import Retry


def longest(low: float, high: float) -> float:
    assert low == 0
    return high


@pytest.mark.parametrize(
    ("most", "failures", "again"),
    [(1, 1, False), (2, 1, True), (2, 2, False), (3, 2, True), (3, 3, False), (3, 4, False)],
)
def test_there_are_as_many_attempts_as_the_policy_says(most: int, failures: int, again: bool) -> None:
    assert (Retry(max_attempts=most).delay_ms(failures, longest) is not None) is again


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert Retry() == Retry(max_attempts=1, initial_backoff_seconds=1, backoff_multiplier=2, max_backoff_seconds=300)


@pytest.mark.parametrize(
    ("failures", "milliseconds"), [(1, 500), (2, 1500), (3, 4500), (4, 10_000), (5, 10_000), (10_000, 10_000)]
)
def test_the_ceiling_grows_by_the_multiplier_up_to_the_longest(failures: int, milliseconds: int) -> None:
    policy = Retry(max_attempts=10**6, initial_backoff_seconds=0.5, backoff_multiplier=3, max_backoff_seconds=10)
    assert policy.delay_ms(failures, longest) == milliseconds


def test_a_delay_is_anywhere_below_its_ceiling_in_whole_milliseconds() -> None:
    policy = Retry(max_attempts=9, initial_backoff_seconds=0.010, backoff_multiplier=1)
    chance = random.Random(1)
    delays = {policy.delay_ms(1, chance.uniform) for _ in range(2000)}
    assert delays == set(range(11))
    assert policy.delay_ms(1, lambda low, high: 0.0016) == 2


def test_no_backoff_is_no_delay() -> None:
    assert Retry(max_attempts=2, initial_backoff_seconds=0).delay_ms(1, longest) == 0
