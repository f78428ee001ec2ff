"""The floor: the speed of Valkey and the SQS emulator alone on this machine, called from Python."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from benchmarks.turn import running_valkey
from local import localstack, queues
from local.processes import spawn, stop, wait_ready
from local.sockets import free_port

SCRIPT = "return redis.call('INCR', KEYS[1])"
CALLS = 5_000
PIPELINE = 100
BATCHES = 50
BATCH = 10
HOPS = 20


def measure() -> dict[str, float]:
    """All figures, by name."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with running_valkey(directory) as url, redis.Redis.from_url(url) as client:
            figures = redis_figures(client)
        with running_localstack(directory) as url:
            return figures | sqs_figures(url)


def redis_figures(client: Any) -> dict[str, float]:
    """EVALSHA of a script that does next to nothing, one at a time and in pipelines."""
    sha = client.script_load(SCRIPT)

    def pipelined() -> None:
        for _ in range(CALLS // PIPELINE):
            with client.pipeline(transaction=False) as pipeline:
                for _ in range(PIPELINE):
                    pipeline.evalsha(sha, 1, "key")
                pipeline.execute()

    def singly() -> None:
        for _ in range(CALLS):
            client.evalsha(sha, 1, "key")

    return {
        "EVALSHA round trips/s": CALLS / _seconds(singly),
        f"EVALSHA/s in pipelines of {PIPELINE}": CALLS / _seconds(pipelined),
    }


def sqs_figures(url: str) -> dict[str, float]:
    """One client sends, receives and deletes batches of ten; then single messages go to a poll that waits."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    with contextlib.closing(queues.client(url)) as sqs:
        queue = queues.ensure(sqs, "floor", visibility_seconds=60).queue
        received: list[list[Any]] = []

        def send() -> None:
            for _ in range(BATCHES):
                entries = [{"Id": str(number), "MessageBody": "{}"} for number in range(BATCH)]
                sqs.send_message_batch(QueueUrl=queue, Entries=entries)

        def receive() -> None:
            while sum(map(len, received)) < BATCHES * BATCH:
                answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=BATCH, WaitTimeSeconds=1)
                received.append(answer.get("Messages", []))

        def delete() -> None:
            for messages in filter(None, received):
                _delete(sqs, queue, messages)

        times = {name: _seconds(act) for name, act in (("sent", send), ("received", receive), ("deleted", delete))}
        total = BATCHES * BATCH
        figures = {f"SQS messages/s {name}, in tens": total / seconds for name, seconds in times.items()}
        figures["SQS messages/s through all three"] = total / sum(times.values())
        figures["SQS long-poll hop, ms"] = statistics.median(_hop(sqs, queue, url) for _ in range(HOPS)) * 1000
        return figures


def _hop(sqs: Any, queue: str, url: str) -> float:
    """The seconds from the send to the return of a waiting poll, on another connection."""
    ended: list[float] = []
    with contextlib.closing(queues.client(url)) as poller:

        def poll() -> None:
            messages = poller.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
            ended.append(time.perf_counter())
            _delete(poller, queue, messages)

        thread = threading.Thread(target=poll)
        thread.start()
        time.sleep(0.1)
        started = time.perf_counter()
        sqs.send_message(QueueUrl=queue, MessageBody="{}")
        thread.join()
    return ended[0] - started


def _delete(sqs: Any, queue: str, messages: list[Any]) -> None:
    entries = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]
    sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@contextlib.contextmanager
def running_localstack(directory: Path) -> Iterator[str]:
    """Run SQS alone, as `make run` does; yields its URL."""
    port = free_port()
    environment = localstack.environment(port, directory)
    process = spawn(localstack.command(), env=environment, output=subprocess.DEVNULL)
    try:
        wait_ready(process, lambda: localstack.is_ready(port), seconds=60, port=port)
        yield localstack.url(port)
    finally:
        stop(process, seconds=0)
