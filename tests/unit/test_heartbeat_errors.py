"""The heartbeat extends every lease that is held, whatever happens to the others."""

from __future__ import annotations

import logging
import threading

import pytest

from chalicelib.core.transitions import Outcome
from chalicelib.worker.heartbeat import Heartbeat
from tests.support.harness import wait_until


class Store:
    """A store that records what was extended, and fails or gives another answer for some nodes."""

    def __init__(self) -> None:
        self.extended: list[tuple[str, int, int, int]] = []
        self.failing: set[int] = set()
        self.answers: dict[int, Outcome] = {}
        self.beats = threading.Semaphore(0)

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome:
        self.beats.release()
        if node in self.failing:
            raise ConnectionError("the store is away")
        self.extended.append((instance_id, node, attempt, lease_ms))
        return self.answers.get(node, Outcome.EXTENDED)


@pytest.fixture
def store() -> Store:
    return Store()


def held(store: Store, *nodes: int, lease_ms: int = 10**9) -> Heartbeat:
    """Return a heartbeat that holds these leases, and whose own thread sleeps."""
    heartbeat = Heartbeat(store, lease_ms=lease_ms)  # type: ignore[arg-type]
    for node in nodes:
        heartbeat.hold("in", node, 1)
    return heartbeat


def test_a_beat_extends_all_that_is_held_by_the_whole_lease(store: Store) -> None:
    heartbeat = held(store, 2, 0)
    heartbeat.hold("im", 5, 3)
    heartbeat.beat()
    assert store.extended == [("im", 5, 3, 10**9), ("in", 0, 1, 10**9), ("in", 2, 1, 10**9)]
    heartbeat.release("in", 0, 1)
    heartbeat.release("in", 7, 1)  # never held, so nothing happens
    heartbeat.beat()
    assert store.extended[3:] == [("im", 5, 3, 10**9), ("in", 2, 1, 10**9)]


def test_an_error_of_one_lease_stops_neither_the_others_nor_its_own_next_beat(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeat = held(store, 0, 1, 2)
    store.failing = {0}
    heartbeat.beat()
    assert [node for _, node, _, _ in store.extended] == [1, 2]
    [record] = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "lease not extended")
    assert (record.instance_id, record.node_number, record.attempt) == ("in", 0, 1)  # type: ignore[attr-defined]
    assert record.error == "the store is away"  # type: ignore[attr-defined]
    assert all(heartbeat.holds("in", node, 1) for node in (0, 1, 2))
    store.failing = set()
    heartbeat.beat()
    assert [node for _, node, _, _ in store.extended] == [1, 2, 0, 1, 2]


@pytest.mark.parametrize("answer", [Outcome.SUPERSEDED, Outcome.CLOSED, Outcome.GONE])
def test_what_is_not_ours_any_more_is_not_extended_again(store: Store, answer: Outcome) -> None:
    heartbeat = held(store, 0, 1)
    store.answers = {0: answer}
    heartbeat.beat()
    assert not heartbeat.holds("in", 0, 1) and heartbeat.holds("in", 1, 1)
    heartbeat.beat()
    assert [node for _, node, _, _ in store.extended] == [0, 1, 1]


def test_only_what_is_held_is_said_to_be(store: Store) -> None:
    heartbeat = held(store, 0)
    assert heartbeat.holds("in", 0, 1)
    assert not heartbeat.holds("in", 0, 2) and not heartbeat.holds("in", 1, 1) and not heartbeat.holds("im", 0, 1)


def test_it_beats_by_itself_goes_on_after_errors_and_rests_while_nothing_is_held(store: Store) -> None:
    heartbeat = held(store, 0, 1, lease_ms=30)
    store.failing = {0}
    for _ in range(10):
        assert store.beats.acquire(timeout=20), "the heart stopped at an error"
    assert ("in", 1, 1, 30) in store.extended
    store.failing = set()
    assert wait_until(lambda: ("in", 0, 1, 30) in store.extended, what="the next try")
    heartbeat.release("in", 0, 1)
    heartbeat.release("in", 1, 1)
    assert wait_until(lambda: not heartbeat._wake.is_set(), what="the rest")
    asked = len(store.extended)
    heartbeat.hold("in", 3, 2)
    assert wait_until(lambda: ("in", 3, 2, 30) in store.extended[asked:], what="the beat after the rest")
    heartbeat.release("in", 3, 2)


def test_one_thread_beats_for_all(store: Store) -> None:
    before = {thread for thread in threading.enumerate() if thread.name == "heart"}
    held(store, 0, 1, 2)
    [thread] = {thread for thread in threading.enumerate() if thread.name == "heart"} - before
    assert thread.daemon  # it must not keep a process alive
