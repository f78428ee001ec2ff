"""The supervisor's watch: one child that is slow to come back keeps it from no other."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from local.child import GIVE_UP_AFTER, Child
from local.config import BadConfiguration, Config
from local.console import Console
from local.supervisor import Supervisor
from tests.support.harness import wait_until

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def stack(tmp_path: Path) -> Supervisor:
    return Supervisor(Config.read({"DATA_DIR": str(tmp_path)}), Console(io.StringIO()))


def look(stack: Supervisor, *children: Child) -> bool:
    for child in children:
        stack._look_after(child)
    return True


def kill(child: Child) -> None:
    assert child.process is not None
    child.process.kill()
    child.process.wait()


def test_the_others_come_back_while_one_is_slow(stack: Supervisor, tmp_path: Path) -> None:
    slow = Child("queue", SLEEPER, env={}, ready=lambda: False, log=tmp_path / "queue.log", vital=True)
    worker = Child("worker-1", SLEEPER, env={}, log=tmp_path / "worker.log")
    for child in (slow, worker):
        child.start(stack._console)
        kill(child)
    try:
        wait_until(lambda: look(stack, slow, worker) and worker.process is not None, what="the worker is back")
        assert not slow.was_ready
    finally:
        for child in (slow, worker):
            child.end(0)


def test_what_follows_is_done_again_where_it_failed(stack: Supervisor, tmp_path: Path) -> None:
    tries: list[int] = []

    def make_queues() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise BadConfiguration("it was killed between two calls")

    queue = Child("queue", SLEEPER, env={}, ready=lambda: True, log=tmp_path / "log", vital=True, after=make_queues)
    queue.start(stack._console)
    try:
        wait_until(lambda: look(stack, queue) and queue.was_ready, what="the queue is back")
        assert len(tries) == 3
    finally:
        queue.end(0)


def test_a_server_that_is_killed_often_is_started_for_ever(stack: Supervisor, tmp_path: Path) -> None:
    store = Child("store", SLEEPER, env={}, ready=lambda: True, log=tmp_path / "log", vital=True)
    store.start(stack._console)
    try:
        for _ in range(GIVE_UP_AFTER + 1):
            store.was_ready = True
            kill(store)
            stack._look_after(store)  # raises where it gives up
            store.again_at = 0.0
            stack._look_after(store)
    finally:
        store.end(0)
