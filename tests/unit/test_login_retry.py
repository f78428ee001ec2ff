"""The duration of retries by the store's client, with a clock that the test moves."""

from __future__ import annotations

import time

import pytest
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError

from chalicelib.store.login import LoginRetry


@pytest.mark.parametrize(
    ("error", "seconds", "tries"),
    [
        (ConnectionError("refused"), 0.0, 7),
        (TimeoutError("hangs"), 5.0, 2),
        (TimeoutError("hangs"), 9.0, 1),
        (AuthenticationError("wrong password"), 0.0, 1),
    ],
)
def test_tries_end_with_their_number_or_the_time(
    monkeypatch: pytest.MonkeyPatch, error: Exception, seconds: float, tries: int
) -> None:
    now = [0.0]
    tried: list[Exception] = []
    closed: list[object] = []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def attempt() -> None:
        tried.append(error)
        now[0] += seconds
        raise error

    retry = LoginRetry(NoBackoff(), 6, seconds=8.0)
    retry.update_supported_errors([AuthenticationError])
    with pytest.raises(type(error)):
        retry.call_with_retry(attempt, closed.append)
    assert len(tried) == tries
    # A connection is closed after each timeout, or the late answer would be read as the next one.
    assert isinstance(error, AuthenticationError) or len(closed) == tries


def test_an_error_that_its_caller_calls_final_is_not_tried_again() -> None:
    tried: list[Exception] = []

    def attempt() -> None:
        tried.append(TimeoutError() if len(tried) < 2 else ConnectionError())
        raise tried[-1]

    retry = LoginRetry(NoBackoff(), 6, seconds=60)
    with pytest.raises(ConnectionError):
        retry.call_with_retry(attempt, lambda error: None, is_retryable=lambda error: isinstance(error, TimeoutError))
    assert len(tried) == 3
