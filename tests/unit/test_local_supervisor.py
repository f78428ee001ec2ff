"""The supervisor watches all children, even while one is slow to come back; and how it ends."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from local import folder
from local.child import GIVE_UP_AFTER, Child
from local.config import BadConfiguration, Config
from local.console import Console
from local.stack import Stack
from local.supervisor import Supervisor
from tests.support.harness import wait_until

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor(Console(io.StringIO()))


def look(supervisor: Supervisor, *children: Child) -> bool:
    for child in children:
        supervisor.look_after(child)
    return True


def kill(child: Child) -> None:
    assert child.process is not None
    child.process.kill()
    child.process.wait()


def test_the_others_come_back_while_one_is_slow(supervisor: Supervisor, tmp_path: Path) -> None:
    slow = Child("queue", SLEEPER, env={}, ready=lambda: False, log=tmp_path / "queue.log", vital=True)
    worker = Child("worker-1", SLEEPER, env={}, log=tmp_path / "worker.log")
    for child in (slow, worker):
        child.start(supervisor._console)
        kill(child)
    try:
        wait_until(lambda: look(supervisor, slow, worker) and worker.process is not None, what="the worker is back")
        assert not slow.was_ready
    finally:
        for child in (slow, worker):
            child.end(0)


def test_what_follows_is_done_again_where_it_failed(supervisor: Supervisor, tmp_path: Path) -> None:
    tries: list[int] = []

    def make_queues() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise BadConfiguration("it was killed between two calls")

    queue = Child("queue", SLEEPER, env={}, ready=lambda: True, log=tmp_path / "log", vital=True, after=make_queues)
    queue.start(supervisor._console)
    try:
        wait_until(lambda: look(supervisor, queue) and queue.was_ready, what="the queue is back")
        assert len(tries) == 3
    finally:
        queue.end(0)


def test_a_server_that_is_killed_often_is_started_for_ever(supervisor: Supervisor, tmp_path: Path) -> None:
    store = Child("store", SLEEPER, env={}, ready=lambda: True, log=tmp_path / "log", vital=True)
    store.start(supervisor._console)
    try:
        for _ in range(GIVE_UP_AFTER + 1):
            store.was_ready = True
            kill(store)
            supervisor.look_after(store)  # raises if it gives up
            store.again_at = 0.0
            supervisor.look_after(store)
    finally:
        store.end(0)


def test_the_folder_is_held_until_every_child_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next run could start a server on an append-only file that this run's server still writes."""
    holders: list[int | None] = []
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr(Stack, "_start", lambda self: self._supervisor.stop())
    monkeypatch.setattr(Supervisor, "end", lambda self: holders.append(folder.holder(tmp_path)))
    assert Stack(Config.read({"DATA_DIR": str(tmp_path)}), Console(io.StringIO()), http=False).run() == 0
    assert holders == [os.getpid()] and folder.holder(tmp_path) is None
