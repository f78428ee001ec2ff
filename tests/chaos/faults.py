"""The faults of a running stack. Each returns when it is over; the supervisor restarts what was killed."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import redis

from tests.chaos.diary import Diary
from tests.support.harness import wait_until
from tests.support.stack import RunningStack

WORKER, POLLER, HTTP = "local.worker", "local.poller", "local.server"
QUEUE, STORE = "localstack.runtime.main", "-server 127.0.0.1:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The stack that is attacked. Its lease is `lease` seconds long, and its queue is away for `outage` seconds."""

    stack: RunningStack
    diary: Diary
    lease: float
    outage: float

    @contextlib.contextmanager
    def store(self) -> Iterator[redis.Redis]:
        """Yield a client of the real store."""
        with redis.Redis.from_url(self.stack.exported("REDIS_URL"), socket_timeout=5) as client:
            yield client

    def kill(self, part: str, *, most: int = 1) -> None:
        """Send SIGKILL to children, first to those with a running handler."""
        for pid in self.victims(part)[:most]:
            send(pid, signal.SIGKILL)

    def victims(self, part: str) -> list[int]:
        busy = self.diary.busy()
        return sorted(self.stack.pids(part), key=lambda pid: pid not in busy)

    def hold(self, pid: int, seconds: float) -> None:
        """Send SIGSTOP, and SIGCONT after `seconds`."""
        send(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            send(pid, signal.SIGCONT)


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # another fault was faster
        os.kill(pid, number)


def all_workers(ground: Ground, rng: Random) -> None:
    ground.kill(WORKER, most=100)


def store_and_worker(ground: Ground, rng: Random) -> None:
    ground.kill(STORE)
    ground.kill(WORKER)


def _others(ground: Ground, kind: str, pid: int) -> set[int]:
    return set(ground.stack.pids(kind)) - {pid}


def store_twice(ground: Ground, rng: Random) -> None:
    """Kill the store again as soon as it is back, while all processes reconnect."""
    for pid in ground.stack.pids(STORE):
        send(pid, signal.SIGKILL)
        wait_until(functools.partial(_others, ground, STORE, pid), seconds=60, what="another Valkey")
    ground.kill(STORE)


def worker_stopped(ground: Ground, rng: Random) -> None:
    """Stop a worker for longer than a lease: others take over, and its late commits must be refused."""
    for pid in ground.victims(WORKER)[:1]:
        ground.hold(pid, ground.lease * rng.uniform(1.5, 2.5))


def store_stopped(ground: Ground, rng: Random) -> None:
    for pid in ground.stack.pids(STORE):
        ground.hold(pid, ground.lease * rng.uniform(0.5, 1.5))


def store_refuses(ground: Ground, rng: Random) -> None:
    """Let the store refuse writes like a full one: noeviction, and no memory left."""
    if _set_maxmemory(ground, "1"):
        time.sleep(ground.lease * rng.uniform(0.5, 2))
        # A store that was killed meanwhile comes back with free memory.
        wait_until(lambda: _set_maxmemory(ground, "0"), seconds=60, what="a store that can be configured")


def _set_maxmemory(ground: Ground, value: str) -> bool:
    try:
        with ground.store() as store:
            store.config_set("maxmemory-policy", "noeviction")
            store.config_set("maxmemory", value)
    except redis.exceptions.RedisError:
        return False
    return True


def queue_hangs(ground: Ground, rng: Random) -> None:
    """Let the queue accept requests and answer none."""
    for pid in ground.stack.pids(QUEUE):
        ground.hold(pid, ground.outage)


def queue_gone(ground: Ground, rng: Random) -> None:
    """Kill the queue, and stop its successor before it listens. The messages are lost."""
    for pid in ground.stack.pids(QUEUE):
        send(pid, signal.SIGKILL)
        place = wait_until(functools.partial(_others, ground, QUEUE, pid), seconds=60, what="another queue")
        ground.hold(place.pop(), ground.outage)


Fault = Callable[[Ground, Random], None]
QUICK: dict[str, Fault] = {
    "worker killed": lambda ground, rng: ground.kill(WORKER),
    "all workers killed": all_workers,
    "poller killed": lambda ground, rng: ground.kill(POLLER),
    "HTTP killed": lambda ground, rng: ground.kill(HTTP),
    "queue killed": lambda ground, rng: ground.kill(QUEUE),
    "store killed": lambda ground, rng: ground.kill(STORE),
    "store and worker killed": store_and_worker,
    "store killed twice": store_twice,
    "worker stopped": worker_stopped,
    "store stopped": store_stopped,
    "store refuses writes": store_refuses,
}
LONG: dict[str, Fault] = {"queue hangs": queue_hangs, "queue gone": queue_gone}
KINDS = QUICK | LONG


def deck(rng: Random, *, rare: int) -> Iterator[str]:
    """Draw kinds endlessly, each as often as any other, except the long ones: these come once in `rare` decks."""
    while True:
        names = [*QUICK] * rare + [*LONG]
        rng.shuffle(names)
        yield from names
