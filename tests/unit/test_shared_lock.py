"""The lock that keeps a node which may kill its process away from all others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from chalicelib.worker.shared_lock import SharedLock
from tests.support.harness import wait_until


def in_thread(call: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def test_many_share_it_and_one_has_it_alone() -> None:
    lock, inside, leave = SharedLock(), threading.Barrier(3), threading.Event()
    order: list[str] = []

    def share() -> None:
        with lock.shared():
            inside.wait(10)
            assert leave.wait(10)
            order.append("shared")

    def be_alone(name: str) -> None:
        with lock.alone(10) as alone:
            assert alone and lock.closed
            order.append(name)

    sharing = [in_thread(share), in_thread(share)]
    inside.wait(10)
    assert not lock.closed
    alone = [in_thread(lambda: be_alone("alone"))]
    wait_until(lambda: lock.closed, what="a thread that waits to be alone")
    alone.append(in_thread(lambda: be_alone("alone")))

    def share_later() -> None:
        with lock.shared():
            order.append("later")

    later = in_thread(share_later)
    leave.set()
    for thread in [*sharing, *alone, later]:
        thread.join(10)
    assert order == ["shared", "shared", "alone", "alone", "later"] and not lock.closed


def test_who_waits_too_long_to_be_alone_goes_without_it() -> None:
    lock = SharedLock()
    with lock.shared(), lock.alone(0.01) as alone:
        assert not alone and not lock.closed
    with lock.alone(0) as alone:
        assert alone
    with lock.shared():
        assert not lock.closed
