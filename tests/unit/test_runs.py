"""A trigger that waits: how long it does, and what it answers if the end cannot be read."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.errors import NotFound, Overloaded, Unavailable
from chalicelib.models.views import Triggered
from chalicelib.usecases.runs import Run, Runs

TRIGGERED = Triggered(instance_id="in-1", execution_id="ex-1", created_at="2026-01-02T03:04:05.678Z")


class Fake:
    """Every part that a run uses. The instance has `statuses`, one at each reading; the trigger takes `takes`."""

    def __init__(self, *statuses: str | Exception, takes: float = 0, refuses: Exception | None = None) -> None:
        self._statuses = list(statuses)
        self._takes = takes
        self._refuses = refuses
        self.now = 1000.0
        self.waits: list[float] = []

    def start(self, seconds: float) -> Run:
        parts: dict[str, Any] = dict.fromkeys(("store", "resolver", "triggering", "results"), self)
        return Runs(**parts, clock=lambda: self.now).start("ex-1", b"{}", "k", seconds, mount="/dev")

    def trigger(self, *given: Any) -> Triggered:
        assert given == ("ex-1", b"{}", "k")
        if self._refuses:
            raise self._refuses
        self.now += self._takes
        return TRIGGERED

    def snapshot(self, instance_id: str, *, whole: bool) -> Any:
        assert instance_id == "in-1" and not whole
        status = self._statuses.pop(0)
        if isinstance(status, Exception):
            raise status
        return SimpleNamespace(status=status)

    def wait_terminal(self, instance_id: str, seconds: float) -> None:
        self.waits.append(seconds)

    def plan_to_start(self, execution_id: str) -> str:
        return f"the plan of {execution_id}"

    def finished(self, now: Any, plan: str, *, mount: str) -> str:
        return f"{now.status} {plan} {mount}"


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED"])
def test_an_instance_that_ended_with_its_trigger_is_read_once(status: str) -> None:
    fake = Fake(status)
    assert fake.start(25) == Run(TRIGGERED, f"{status} the plan of ex-1 /dev")
    assert fake.waits == []


def test_it_waits_for_the_end() -> None:
    fake = Fake("PENDING", "FAILED")
    assert fake.start(2.5).finished == "FAILED the plan of ex-1 /dev" and fake.waits == [2.5]


def test_an_instance_that_goes_on_is_answered_as_without_a_wait() -> None:
    fake = Fake("PENDING", "RUNNING")
    assert fake.start(2.5) == Run(TRIGGERED, None) and fake.waits == [2.5]


def test_the_trigger_takes_its_time_from_the_wait() -> None:
    """API Gateway waits for 29 s, however slow the queue is."""
    fake = Fake("PENDING", "RUNNING", takes=8)
    assert fake.start(25).finished is None and fake.waits == [17]
    late = Fake("RUNNING", takes=8)
    assert late.start(5).finished is None and late.waits == []
    assert Fake("COMPLETED", takes=8).start(5).finished


@pytest.mark.parametrize("statuses", [(), ("RUNNING",)])
@pytest.mark.parametrize("error", [Unavailable("away"), NotFound("deleted"), ZeroDivisionError("a fault")])
def test_the_trigger_has_succeeded_even_if_the_end_cannot_be_read(
    caplog: pytest.LogCaptureFixture, statuses: tuple[str, ...], error: Exception
) -> None:
    assert Fake(*statuses, error).start(1) == Run(TRIGGERED, None)
    [record] = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "end not read")
    assert vars(record)["instance_id"] == "in-1" and vars(record)["error"] == str(error)
    assert bool(record.exc_info) is isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize("error", [Overloaded("later"), Unavailable("away"), NotFound("nothing")])
def test_a_trigger_that_is_refused_stays_refused(error: Exception) -> None:
    with pytest.raises(type(error)):
        Fake(refuses=error).start(25)
