"""Leases are extended, whatever happens to one of them."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from chalicelib.core.transitions import Outcome
from chalicelib.worker.heartbeat import Heartbeat
from tests.support.harness import wait_until


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even its text")


class Extends:
    """A store that has only `extend`, which answers, or raises, by the node's number."""

    def __init__(self, answers: dict[int, Any]) -> None:
        self.answers, self.asked = answers, Counter[int]()

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome:
        self.asked[node] += 1
        answer = self.answers.get(node, Outcome.EXTENDED)
        if isinstance(answer, Exception):
            raise answer
        return Outcome(answer)


@pytest.mark.parametrize("error", [ConnectionError("away"), Untold()])
def test_an_error_with_one_lease_stops_neither_it_nor_the_others(error: Exception) -> None:
    store = Extends({0: error})
    heartbeat = Heartbeat(store, lease_ms=6)  # type: ignore[arg-type]
    for node in range(3):
        heartbeat.hold("i", node, 1)
    wait_until(lambda: min(store.asked[node] for node in range(3)) >= 4, what="beats after the error")
    assert all(heartbeat.holds("i", node, 1) for node in range(3))
    for node in range(3):
        heartbeat.release("i", node, 1)


def test_one_beat_extends_every_lease_though_the_first_fails() -> None:
    store = Extends({0: ConnectionError("away"), 1: Outcome.CLOSED})
    heartbeat = Heartbeat(store, lease_ms=3_600_000)  # type: ignore[arg-type]
    for node in range(3):
        heartbeat.hold("i", node, 1)
    heartbeat.beat()
    assert store.asked == {0: 1, 1: 1, 2: 1}
    assert [heartbeat.holds("i", node, 1) for node in range(3)] == [True, False, True]


def test_it_beats_again_for_what_comes_after_a_pause() -> None:
    store = Extends({})
    heartbeat = Heartbeat(store, lease_ms=6)  # type: ignore[arg-type]
    heartbeat.hold("i", 0, 1)
    wait_until(lambda: store.asked[0] >= 2, what="a beat")
    heartbeat.release("i", 0, 1)
    wait_until(lambda: not heartbeat._wake.is_set(), what="a heart that rests")
    heartbeat.hold("i", 1, 1)
    wait_until(lambda: store.asked[1] >= 2, what="a beat after the rest")
    heartbeat.release("i", 1, 1)


def test_a_heart_without_a_thread_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Extends({})
    heartbeat = Heartbeat(store, lease_ms=6)  # type: ignore[arg-type]

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            heartbeat.hold("i", 0, 1)
    heartbeat.hold("i", 1, 1)
    wait_until(lambda: store.asked[1] >= 2, what="a beat")
    heartbeat.release("i", 0, 1)
    heartbeat.release("i", 1, 1)
