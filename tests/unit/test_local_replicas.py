"""Further processes of the local HTTP server: they are started again, unless they die at once."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from local.replicas import QUICK_SECONDS, Replica, Replicas
from tests.support.harness import wait_until

SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")
SHOWS = (
    sys.executable,
    "-c",
    "import os; os.write(1, '{HTTP_PROCESS} {METRICS_PROCESS}\\n'.format(**os.environ).encode())",
)


def pids(replicas: Replicas) -> set[int]:
    return {process.pid for process in replicas._running.values()}


@pytest.mark.parametrize(("lived", "again"), [(QUICK_SECONDS + 1, True), (QUICK_SECONDS - 1, False)])
def test_one_that_dies_is_started_again_unless_it_dies_at_once(lived: float, again: bool) -> None:
    now = [0.0]
    replicas = Replicas(3, command=SLEEPS, clock=lambda: now[0])
    try:
        replicas.look_after()
        first = pids(replicas)
        assert len(first) == 2
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        now[0] = lived

        def noticed() -> bool:
            replicas.look_after()
            return victim not in pids(replicas)

        wait_until(noticed, what="a look at the dead one")
        replicas.look_after()
        assert len(pids(replicas)) == (2 if again else 1)
    finally:
        replicas.end()
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_each_has_a_number_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    replicas = Replicas(3, command=SHOWS)
    replicas.look_after()
    for process in replicas._running.values():
        process.wait(10)
    assert sorted(capfd.readouterr().out.splitlines()) == ["2 http-2", "3 http-3"]
    replicas.end()


def test_one_notices_that_the_first_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Replica.is_one()
    monkeypatch.setenv("HTTP_PROCESS", "2")
    monkeypatch.setenv("HTTP_FIRST_PID", str(os.getppid()))
    assert Replica.is_one() and not Replica().is_alone
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert Replica().is_alone
