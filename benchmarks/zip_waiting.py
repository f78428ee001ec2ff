"""`python -m benchmarks.zip_waiting [--seconds 5] [--rounds 3] [--nodes 50,100,200,400,800] [--processor 0.289]
[--bytes 0] [DIRECTORY]`: how many nodes that wait the packaged worker runs at once.

DIRECTORY is what `make package` made; without it, the app is packaged first. The worker runs under awslambdaric, with
the template's settings, a Valkey, and at most 1,024 open files. One event brings it ten messages with that many nodes
together, which call a service that answers each after so many seconds. With `--processor` it gets that share of a
processor (1: all of it). Lambda gives a function of 512 MB 512/1769 of one. A share needs root and cgroups.

The memory is measured, not limited: RLIMIT_AS would count what threads reserve for their stacks and never use.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine, process, quota, service
from benchmarks.capacity.limits import PROCESSOR
from benchmarks.turn import running_valkey
from benchmarks.unpacked import Zip, packaged
from chalicelib.composition import Application
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import decode, encode
from chalicelib.settings import Settings
from local.functions.environment import Environment

NODES = (50, 100, 200, 400, 800)
MESSAGES = 10
WARM_NODES = 10
LAMBDA_FILES = LAMBDA_THREADS = 1024  # of an execution environment
NOWHERE = "http://127.0.0.1:9/0/nowhere"  # nothing is sent: no node has a child, and none fails


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one invocation. `late`: the seconds that it took beyond the wait of its nodes, all of which wait together."""

    seconds: float
    late: float
    processor_ms_a_node: float
    peak_megabytes: float
    threads: float
    files: float
    gb_seconds_a_node_second: float


def calls(count: int, url: str) -> dict[str, Any]:
    """A workflow of as many calls, which depend on nothing."""
    config = {"url": url}
    nodes = [{"id": f"c{number}", "handler": "call_external_service", "config": config} for number in range(count)]
    return {"name": f"{count} calls", "dag": {"nodes": nodes}}


def event(bodies: Sequence[str]) -> dict[str, Any]:
    """The nodes of these messages in one event, spread evenly over ten messages."""
    messages = [decode(body) for body in bodies]
    ref, nodes = messages[0].ref, [ready for message in messages for ready in message.nodes]
    return {"Records": [_record(ref, nodes[first::MESSAGES]) for first in range(min(MESSAGES, len(nodes)))]}


def _record(ref: Ref, nodes: Sequence[Ready]) -> dict[str, Any]:
    body = encode(Message(ref, tuple(nodes)))
    return {"messageId": f"m{nodes[0].node}", "eventSource": "aws:sqs", "body": body, "attributes": {}}


class Peak:
    """The most threads and open files that a process had while this looked."""

    def __init__(self, pid: int) -> None:
        self.threads = self.files = 0
        self._pid = pid
        self._stopping = threading.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, name="peak")
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            self.threads = max(self.threads, process.status(self._pid, "Threads"))
            self.files = max(self.files, process.open_files(self._pid))


class Bench:
    """Triggers instances, and gives their messages to the worker in the zip."""

    def __init__(
        self, zipped: Zip, redis_url: str, service_url: str, *, seconds: float, share: float, size: int
    ) -> None:
        self._zip = zipped
        self._bytes = size
        self._service = service_url
        self._seconds = seconds
        self._share = share
        self._own = {
            "REDIS_URL": redis_url,
            "QUEUE_URL": NOWHERE,
            "DEAD_LETTER_QUEUE_URL": "",
            "SCHEDULING": "inline",
            "VALUES_URL": "none",
            "ALLOW_PRIVATE_ADDRESSES": "true",
            "SECRETS": "environment",
        }
        self._queue = MemoryQueue()
        self._app = Application(Settings(redis_url=redis_url, queue_url=NOWHERE))
        self._app.queue = self._queue

    def measure(self, nodes: int, log: Path) -> Figures:
        """Start the worker, run a few nodes to warm it up, and then as many at once as are asked for."""
        with contextlib.closing(self._zip.start("Worker", self._own, log)) as environment:
            environment.asked.wait(30)
            if not environment.alive:
                raise RuntimeError(f"the worker did not start: {log.read_text()}")
            pid = environment.process.pid
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (LAMBDA_FILES, LAMBDA_FILES))
            self._run(environment, WARM_NODES, 0)
            peak, used = Peak(pid), process.processor_seconds(pid)
            limited = quota.limited(pid, self._share) if self._share < 1 else contextlib.nullcontext()
            with limited, peak.watched():
                seconds = self._run(environment, nodes, self._seconds)
            return Figures(
                seconds,
                seconds - self._seconds,
                (process.processor_seconds(pid) - used) / nodes * 1000,
                process.status(pid, "VmHWM") / 1024,
                peak.threads,
                peak.files,
                seconds * self._zip.megabytes("Worker") / 1024 / (nodes * self._seconds),
            )

    def _run(self, environment: Environment, nodes: int, wait_seconds: float) -> float:
        """The seconds of the invocation. All its nodes have then completed at their first attempt."""
        body = json.dumps(calls(nodes, f"{self._service}/{wait_seconds}/long/{self._bytes}")).encode()
        execution_id = self._app.submission.submit(body, None).execution_id
        instance_id = self._app.triggering.trigger(execution_id, b"", None).instance_id
        payload = json.dumps(event(self._queue.take(nodes))).encode()
        started = time.perf_counter()
        answer = environment.invoke(payload, seconds=900)
        seconds = time.perf_counter() - started
        status = self._app.status.of(instance_id)
        again = sum(view.attempt > 1 for view in status.nodes.values())
        if status.status != "COMPLETED" or again or json.loads(answer) != {"batchItemFailures": []}:
            raise RuntimeError(f"{nodes} nodes: {status.status}, {again} ran again, {status.progress}, {answer!r}")
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zip_waiting")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", default=",".join(map(str, NODES)))
    parser.add_argument("--processor", type=float, help="one share instead of 1 and 512/1769")
    parser.add_argument("--bytes", type=int, default=0, help="in each answer")
    parser.add_argument("directory", nargs="?", type=Path)
    given = parser.parse_args()
    shares = [given.processor] if given.processor else [1.0, PROCESSOR][: 1 + quota.available()]
    print(f"{machine.describe()}; load {machine.load():.1f}; calls of {given.seconds:g} s, medians of {given.rounds}")
    print(f"answers of {given.bytes:,} bytes; memory is what was resident, and not limited", end="")
    print("\n" if quota.available() else "; no share of a processor without root and cgroups\n")
    print(
        "| processor | nodes at once | invocation, s | beyond the wait, s | processor, ms a node | MB at most |", end=""
    )
    print(f" threads (Lambda: {LAMBDA_THREADS:,}) | open files | GB-seconds a node second |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="zip-waiting-") as name, service.running() as url:
        folder = Path(name)
        with running_valkey(folder) as redis_url:
            made = given.directory.resolve() if given.directory else packaged(folder / "this")
            zipped = Zip.of(made, folder / "unpacked", redis_url=redis_url)
            for share in shares:
                bench = Bench(zipped, redis_url, url, seconds=given.seconds, share=share, size=given.bytes)
                for nodes in map(int, given.nodes.split(",")):
                    rounds = [bench.measure(nodes, folder / "log") for _ in range(given.rounds)]
                    print(row(share, nodes, rounds), flush=True)


def row(share: float, nodes: int, rounds: Sequence[Figures]) -> str:
    figures = Figures(*map(statistics.median, zip(*map(astuple, rounds), strict=True)))
    cells = (
        f"{share:.2f}",
        f"{nodes:,}",
        f"{figures.seconds:.2f}",
        f"{figures.late:.2f}",
        f"{figures.processor_ms_a_node:.1f}",
        f"{figures.peak_megabytes:.0f}",
        f"{figures.threads:,.0f}",
        f"{figures.files:,.0f}",
        f"{figures.gb_seconds_a_node_second:.4f}",
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
