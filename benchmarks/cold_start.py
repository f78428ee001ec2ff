"""`python -m benchmarks.cold_start [runs [DIRECTORY ...]]`: what a cold start of each function in the real zip costs.

A directory is what `make package` made (build/...), of this version or another one; without any, the app is packaged
first. Each start is a process of its own under awslambdaric, as on Lambda, with the settings of the template, a Valkey
and an SQS. The directories take turns; medians are shown.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from benchmarks import process
from benchmarks.floor import running_localstack
from benchmarks.turn import running_valkey
from benchmarks.unpacked import Zip, packaged
from local import package, queues
from local.functions.environment import Environment

RUNS = 9
KEYS: Mapping[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
# Each event makes its function ask the store about an unknown instance, and end; health asks the queue as well.
INSTANCE = "in-00"
BODY = json.dumps({"instance_id": INSTANCE, "execution_id": "ex-00", "nodes": [{"node": 0, "attempt": 1}]})
RECORDS = {"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": BODY, "attributes": {}}]}
EVENTS: Mapping[str, Any] = {
    "APIHandler": {
        "requestContext": {"httpMethod": "GET", "resourcePath": "/api/health", "identity": {}},
        "pathParameters": None,
        "multiValueQueryStringParameters": None,
        "headers": {"host": "localhost"},
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    },
    "Worker": RECORDS,
    "DeadLetters": RECORDS,
    "Scheduler": {"instance_id": INSTANCE},
    "Sweep": {
        **{"id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "0", "detail": {}},
        **{"time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [], "version": "0"},
    },
}


@dataclass(frozen=True, slots=True)
class Start:
    """In milliseconds: until the first event is asked for (wall clock, processor), and the first two answers; the MB
    used then."""

    ready: float
    processor: float
    first: float
    second: float
    megabytes: float


def cold_start(zipped: Zip, function: str, servers: Mapping[str, str]) -> Start:
    payload = json.dumps(EVENTS[function]).encode()
    with contextlib.closing(zipped.start(function, {**servers, "LOG_LEVEL": "ERROR"})) as environment:
        environment.asked.wait(30)
        ready = time.perf_counter() - environment.started
        processor = process.processor_seconds(environment.process.pid)
        first, second = (_seconds(environment, payload) for _ in range(2))
        megabytes = process.status(environment.process.pid, "VmRSS") / 1024
        return Start(1000 * ready, 1000 * processor, 1000 * first, 1000 * second, megabytes)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with (
        tempfile.TemporaryDirectory() as folder,
        running_valkey(Path(folder)) as redis_url,
        running_localstack(Path(folder)) as endpoint_url,
        contextlib.closing(queues.client(endpoint_url, **KEYS)) as sqs,
    ):
        urls = queues.ensure(sqs, visibility_seconds=30)
        servers = {
            "REDIS_URL": redis_url,
            "QUEUE_URL": urls.queue,
            "DEAD_LETTER_QUEUE_URL": urls.dead_letters,
            "VALUES_URL": "s3://values",  # which nothing here reads
            "AWS_ENDPOINT_URL_SQS": endpoint_url,
            **{name.upper(): value for name, value in KEYS.items()},
        }
        made = [Path(name).resolve() for name in sys.argv[2:]] or [packaged(Path(folder) / "this")]
        zips = [Zip.of(one, Path(folder) / f"unpacked{number}", redis_url=redis_url) for number, one in enumerate(made)]
        for one, directory in zip(zips, made, strict=True):
            archive = directory / package.ARCHIVE
            unpacked = sum(path.stat().st_size for path in one.task.rglob("*") if path.is_file())
            print(f"{one.name}: zip {archive.stat().st_size / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB")
        print("\n| zip | function | first event asked for, ms | processor, ms | first answer, ms | second, ms | MB |")
        print("|---|---|---|---|---|---|---|")
        for function in EVENTS:
            starts: dict[str, list[Start]] = {one.name: [] for one in zips}
            for one in zips * runs:
                starts[one.name].append(cold_start(one, function, servers))
            for name, measured in starts.items():
                row = [statistics.median(column) for column in zip(*map(astuple, measured), strict=True)]
                figures = " | ".join(f"{value:.1f}" if value < 10 else f"{value:.0f}" for value in row)
                print(f"| {name} | {function} | {figures} |", flush=True)


def _seconds(environment: Environment, payload: bytes) -> float:
    started = time.perf_counter()
    environment.invoke(payload, seconds=30)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
