"""Admission: the decision itself, and the part that reads the load as rarely as it may."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chalicelib.core.admission import Ceilings, Load, behind, full
from chalicelib.core.records import Pressure
from chalicelib.errors import Overloaded, Unavailable
from chalicelib.usecases.admission import FRESH_SECONDS, Admission
from tests.support.harness import wait_until

CEILINGS = Ceilings(backlog=100, memory=0.9, late=10, late_ms=300_000)
OFF = Ceilings(backlog=0, memory=0, late=0, late_ms=300_000)


@pytest.mark.parametrize("load", [Load(), Load(backlog=100, memory=0.89, late=10)])
def test_up_to_the_ceilings_and_where_nothing_is_known_all_come_in(load: Load) -> None:
    assert behind(load, CEILINGS) is None and full(load, CEILINGS) is None


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load(backlog=1101), "1,101 messages wait in the queue, and new instances start up to 100"),
        (Load(late=11), "11 instances are more than 300 s overdue"),
        (Load(memory=0.951), "the store's memory is 95% full, and new work is let in below 90%"),
    ],
)
def test_what_is_over_a_ceiling_is_said(load: Load, words: str) -> None:
    said = behind(load, CEILINGS)
    assert said is not None and words in said
    assert behind(load, OFF) is None


def test_a_workflow_costs_memory_alone() -> None:
    assert full(Load(backlog=10**9, late=10**9), CEILINGS) is None
    assert full(Load(memory=1.2), CEILINGS) is not None


class Asked:
    """A store and a queue that count the calls, and are away while `error` is set."""

    def __init__(self) -> None:
        self.questions = 0
        self.error: Exception | None = None
        self.store_error: Exception | None = None
        self.waiting = 0
        self.hold = threading.Event()
        self.hold.set()

    def pressure(self, *, late_ms: int) -> Pressure:
        assert late_ms == 300_000
        if self.store_error:
            raise self.store_error
        return Pressure(None, 0)

    def backlog(self) -> int:
        self.questions += 1
        assert self.hold.wait(10)
        if self.error:
            raise self.error
        return self.waiting


@pytest.fixture
def asked() -> Asked:
    return Asked()


def gate(asked: Any, times: list[float]) -> Admission:
    return Admission(asked, asked, CEILINGS, clock=lambda: times[0])


def test_one_reading_serves_for_a_while(asked: Asked) -> None:
    times = [100.0]
    made = gate(asked, times)
    asked.waiting = 101
    for _ in range(50):
        with pytest.raises(Overloaded, match=r"^101 messages .* send it again after Retry-After$"):
            made.trigger()
        made.submit()
    assert asked.questions == 1
    asked.waiting = 0
    times[0] += FRESH_SECONDS
    made.trigger()
    assert asked.questions == 2 and made.why_not() is None


@pytest.mark.parametrize("error", [Unavailable("away"), KeyError("Attributes")])
def test_a_reading_that_goes_wrong_refuses_nobody(
    asked: Asked, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    times = [0.0]
    made = gate(asked, times)
    asked.waiting = 1000
    asked.error = error
    made.trigger()
    [record] = caplog.records
    assert (record.levelname, record.message, vars(record)["error"]) == ("WARNING", "load not known", str(error))
    asked.error = None
    times[0] += FRESH_SECONDS
    with pytest.raises(Overloaded):
        made.trigger()


def test_without_the_store_nothing_begins_and_a_store_that_does_not_say_refuses_nobody(asked: Asked) -> None:
    made = gate(asked, [0.0])
    asked.store_error = Unavailable("away")
    for begin in (made.submit, made.trigger):
        with pytest.raises(Unavailable, match="away"):
            begin()
    assert asked.questions == 0
    asked.store_error = RuntimeError("NOPERM this user has no permissions to run the 'info' command")
    made.trigger()


def test_nobody_waits_for_a_reading_that_another_makes(asked: Asked) -> None:
    made = gate(asked, [0.0])
    asked.hold.clear()
    reader = threading.Thread(target=made.load)
    reader.start()
    try:
        wait_until(lambda: asked.questions == 1, what="the reading")
        made.trigger()  # would hang if it waited
    finally:
        asked.hold.set()
        reader.join()
    assert asked.questions == 1
