"""Fixtures for every test."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
import redis

from chalicelib import ids
from chalicelib.store import keys
from tests.support.doors import open_doors
from tests.support.servers import bucket, cluster_urls, localstack_url, queue_urls, redis_server_url, valkey_url
from tests.support.stack import stack

__all__ = ["bucket", "cluster_urls", "localstack_url", "queue_urls", "redis_server_url", "stack", "valkey_url"]

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}
# No test may reach a service to which the shell of the developer points.
FOREIGN = (
    *("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "REDIS_URL", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"),
    *("HOST", "PORT", "VALKEY_PORT", "LOCALSTACK_PORT", "DATA_DIR", "VALUES_URL", "QUEUE_NAME"),
)


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """Set dummy credentials, and remove every reference to the caller's own services."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in FOREIGN:
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def no_key_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after every test with a server that only live instances and indexes have keys without a time to live."""
    yield
    if "valkey_url" not in request.fixturenames:
        return
    with redis.Redis.from_url(request.getfixturevalue("valkey_url")) as client:
        indexes = [keys.index(shard).encode() for shard in ids.all_shards()]
        live = {member.decode() for index in indexes for member in client.zrange(index, 0, -1)}
        allowed = {name.encode() for instance_id in live for name in keys.instance(instance_id)} | set(indexes)
        allowed |= {list_(shard).encode() for shard in ids.all_shards() for list_ in (keys.listing, keys.workflows)}
        left = [name for name in client.scan_iter(count=1000) if client.ttl(name) == -1 and name not in allowed]
        assert not left, f"keys without a time to live: {left[:5]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Check after every test that may have started servers, while they run, that no other machine could reach them."""
    yield
    if "unit" not in item.path.parts and os.path.exists("/proc/self/net/tcp"):
        doors = open_doors(os.getpid())
        assert not doors, f"listening for other machines: {doors}"
