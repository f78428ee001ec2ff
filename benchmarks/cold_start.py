"""`python -m benchmarks.cold_start [runs [DIRECTORY ...]]`: what a cold start of each function in the real zip costs.

A directory is what `make package` made (build/...), of this version or another one; without any, the app is packaged
first. Each start is a process of its own under awslambdaric, as on Lambda, with the settings of the template, a Valkey
and an SQS. The directories take turns; medians are shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.floor import running_localstack
from benchmarks.turn import running_valkey
from local import package, queues
from local.functions import runtime
from local.functions.environment import Environment
from local.functions.template import Template

RUNS = 9
STAGE = "dev"
TICK = os.sysconf("SC_CLK_TCK")
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


@dataclass(frozen=True, slots=True)
class Zip:
    """An unpacked package."""

    name: str
    task: Path
    provided: Path
    functions: Mapping[str, Mapping[str, Any]]

    @classmethod
    def unpacked(cls, made: Path, into: Path, *, redis_url: str) -> Zip:
        task, provided = into / "task", into / "provided"
        provided.mkdir(parents=True)
        package.unpack(made / package.ARCHIVE, task)
        document = yaml.safe_load((made / package.TEMPLATE).read_text("utf-8"))
        names = {name: name for name in document["Resources"]} | {"AWS::StackName": "dag-service"}
        template = Template(document, parameters={"RedisUrl": redis_url}, names=names)
        return cls(made.name, task, runtime.provide(provided), template.functions)

    def start(self, function: str, servers: Mapping[str, str]) -> Start:
        properties = self.functions[function]
        own = properties["Environment"]["Variables"] | {**servers, "LOG_LEVEL": "ERROR"}
        handler, megabytes = properties["Handler"], properties["MemorySize"]
        env = runtime.variables(function, handler, task=self.task, provided=self.provided, megabytes=megabytes, own=own)
        command, payload = runtime.command(handler), json.dumps(EVENTS[function]).encode()
        environment = Environment(command, directory=self.task, env=env, arn="arn", log=Path(os.devnull))
        with contextlib.closing(environment):
            environment.asked.wait(30)
            ready = time.perf_counter() - environment.started
            processor = _processor_seconds(environment.process.pid)
            first, second = (_seconds(environment, payload) for _ in range(2))
            megabytes_used = _megabytes(environment.process.pid)
            return Start(1000 * ready, 1000 * processor, 1000 * first, 1000 * second, megabytes_used)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with (
        tempfile.TemporaryDirectory() as folder,
        running_valkey(Path(folder)) as redis_url,
        running_localstack(Path(folder)) as endpoint_url,
        contextlib.closing(queues.client(endpoint_url)) as sqs,
    ):
        urls = queues.ensure(sqs, visibility_seconds=30)
        servers = {
            "REDIS_URL": redis_url,
            "QUEUE_URL": urls.queue,
            "DEAD_LETTER_QUEUE_URL": urls.dead_letters,
            "VALUES_URL": "s3://values",  # which nothing here reads
            "AWS_ENDPOINT_URL_SQS": endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        made = [Path(name).resolve() for name in sys.argv[2:]] or [_packaged(Path(folder) / "this")]
        zips = [
            Zip.unpacked(one, Path(folder) / f"unpacked{number}", redis_url=redis_url)
            for number, one in enumerate(made)
        ]
        for one, directory in zip(zips, made, strict=True):
            archive = directory / package.ARCHIVE
            unpacked = sum(path.stat().st_size for path in one.task.rglob("*") if path.is_file())
            print(f"{one.name}: zip {archive.stat().st_size / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB")
        print("\n| zip | function | first event asked for, ms | processor, ms | first answer, ms | second, ms | MB |")
        print("|---|---|---|---|---|---|---|")
        for function in EVENTS:
            starts: dict[str, list[Start]] = {one.name: [] for one in zips}
            for one in zips * runs:
                starts[one.name].append(one.start(function, servers))
            for name, measured in starts.items():
                row = [statistics.median(column) for column in zip(*map(astuple, measured), strict=True)]
                figures = " | ".join(f"{value:.1f}" if value < 10 else f"{value:.0f}" for value in row)
                print(f"| {name} | {function} | {figures} |", flush=True)


def _packaged(directory: Path) -> Path:
    package.package(STAGE, directory)
    return directory


def _seconds(environment: Environment, payload: bytes) -> float:
    started = time.perf_counter()
    environment.invoke(payload, seconds=30)
    return time.perf_counter() - started


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICK


def _megabytes(pid: int) -> float:
    resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(resident[1]) / 1024 if resident else 0.0


if __name__ == "__main__":
    main()
