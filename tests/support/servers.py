"""Real servers for tests: Valkey, Redis, a Redis Cluster, LocalStack's SQS and S3. Each starts at its first use."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest
import redis

from local import localstack, queues, valkey
from local.processes import Missing, NotReady, spawn, stop, tail, wait_ready
from local.sockets import free_port

SLOTS = 16384


@dataclass(frozen=True)
class QueuePair:
    """The queue of a test, its dead-letter queue, and a boto3 client for both."""

    url: str
    dead_letter_url: str
    client: Any


def unavailable(reason: str) -> NoReturn:
    """Skip the test locally if a server is missing, and fail it in CI, where everything must be there."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextlib.contextmanager
def running_valkey(
    directory: Path, *, port: int | None = None, server: str | None = None, cluster_bus_port: int | None = None
) -> Iterator[int]:
    """Run a server with its files in `directory`, which may be those of an earlier one. Yields its port."""
    port = port or free_port()
    try:
        argv = valkey.command(port, directory, server=server, cluster_bus_port=cluster_bus_port)
    except Missing as error:
        unavailable(str(error))
    log = directory / "server.log"
    with log.open("ab") as output:
        process = spawn(argv, output=output)
    try:
        try:
            wait_ready(process, lambda: valkey.is_ready(port), seconds=20, port=port)
        except NotReady as error:
            pytest.fail(f"{argv[0]} {error}\n" + "\n".join(tail(log)), pytrace=False)
        yield port
    finally:
        stop(process)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server that `make run` would start, with the append-only file on."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as port:
        yield valkey.url(port)


@pytest.fixture(scope="session")
def redis_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Redis itself if it is installed. Otherwise skip, in CI as well, since no Python package contains it."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server on PATH")
    with running_valkey(tmp_path_factory.mktemp("redis"), server=server) as port:
        yield valkey.url(port)


@pytest.fixture(scope="session")
def cluster_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Redis Cluster of three masters. Yields the URL of one."""
    with contextlib.ExitStack() as stack:
        nodes: list[tuple[int, int, redis.Redis]] = []
        for number in range(3):
            bus = free_port()
            directory = tmp_path_factory.mktemp(f"cluster{number}")
            port = stack.enter_context(running_valkey(directory, cluster_bus_port=bus))
            node = stack.enter_context(contextlib.closing(redis.Redis(port=port, decode_responses=True)))
            nodes.append((port, bus, node))
        for number, (_, _, node) in enumerate(nodes):
            node.execute_command("CLUSTER ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
            # Nodes with the same configuration epoch need a while to resolve that, so each gets a different one.
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for port, bus, _ in nodes[1:]:
            nodes[0][2].execute_command("CLUSTER MEET", "127.0.0.1", port, bus)

        def formed() -> bool:
            infos = [node.cluster("INFO") for _, _, node in nodes]
            return all(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3" for info in infos)

        end = time.monotonic() + 30
        while not formed():
            if time.monotonic() > end:
                pytest.fail("three nodes did not form a cluster within 30 s", pytrace=False)
            time.sleep(0.05)
        yield valkey.url(nodes[0][0])


@pytest.fixture(scope="session")
def localstack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run LocalStack in host mode, with SQS as in `make run`, and S3."""
    directory = tmp_path_factory.mktemp("localstack")
    port = free_port()
    try:
        argv = localstack.command()
    except Missing as error:
        unavailable(str(error))
    log = directory / "server.log"
    with log.open("ab") as output:
        env = localstack.environment(port, directory) | {"SERVICES": "sqs,s3"}
        process = spawn(argv, env=env, output=output)
    try:
        try:
            wait_ready(process, lambda: localstack.is_ready(port), seconds=60, port=port)
        except NotReady as error:
            pytest.fail(f"LocalStack {error}\n" + "\n".join(tail(log)), pytrace=False)
        yield localstack.url(port)
    finally:
        stop(process, seconds=0)  # it has no data to save


def client_of(localstack_url: str, service: str) -> Any:
    """Return a client of `service` in that LocalStack, whatever region, credentials and proxies the environment has."""
    from botocore.config import Config
    from localstack_client.session import Session

    return Session(localstack_host=urlsplit(localstack_url).netloc).client(service, config=Config(proxies={}))


@pytest.fixture
def bucket(localstack_url: str) -> str:
    """Create an S3 bucket, and return its name."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with contextlib.closing(client_of(localstack_url, "s3")) as s3:
        s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def queue_urls(localstack_url: str) -> Iterator[QueuePair]:
    """Create a queue and its dead-letter queue. A message that was received is visible again after 1 s."""
    with contextlib.closing(client_of(localstack_url, "sqs")) as client:
        name = f"test-{uuid.uuid4().hex[:12]}"
        urls = queues.ensure(client, name, visibility_seconds=1)
        yield QueuePair(urls.queue, urls.dead_letters, client)
        for url in (urls.queue, urls.dead_letters):
            client.delete_queue(QueueUrl=url)
