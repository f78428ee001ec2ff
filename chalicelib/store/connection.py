"""The client for Redis: how long it retries, and which of its errors mean that the store is unavailable."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.maint_notifications import MaintNotificationsConfig

from chalicelib.errors import NewerSchema, Unavailable
from chalicelib.store import keys
from chalicelib.store.login import Login, LoginRetry

_NEWER = (
    "{what} was written by a newer release of dag-service, in schema {schema}; this one knows up to "
    f"{keys.SCHEMA}. It waits, untouched, until that release is deployed again."
)
# How long one blocking call waits at most.
BLOCK_SECONDS = 2.5
# API Gateway waits 29 s for an answer, and a request asks the store more than once.
_PATIENCE_SECONDS = 8.0
# The server answers, and refuses to write: maxmemory is reached, it is a replica, a cluster lacks slots. redis-py has
# classes for these errors, and leaves others as text: persistence is broken, too few replicas.
_REFUSALS = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
)
_REFUSAL = re.compile(r"(?:^|caused error: )(?:MISCONF|NOREPLICAS) ")
# As many as the local server has threads for, and far more than a Lambda function needs.
_MAX_CONNECTIONS = 2000


def connect(url: str, *, cluster: bool = False, login: Login | None = None) -> Any:
    """A client that reconnects by itself. Transitions are fenced by the attempt, so a repeated call is harmless."""
    retry = LoginRetry(ExponentialBackoff(cap=1.0, base=0.05), 6, seconds=_PATIENCE_SECONDS)
    # A blocking wait lasts up to BLOCK_SECONDS: the socket must time out later than that.
    options: dict[str, Any] = {
        "retry": retry,
        "socket_timeout": 2 * BLOCK_SECONDS,
        "socket_connect_timeout": 3,
        # Each client that waits holds a connection; by default, redis-py refuses the hundred-and-first.
        "max_connections": _MAX_CONNECTIONS,
        # One HELLO for each connection, instead of four calls, one of which Valkey refuses.
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    options |= login.options(url) if login else {}
    if cluster:
        return redis.RedisCluster.from_url(url, **options)
    errors = [
        redis.exceptions.ConnectionError,
        redis.exceptions.TimeoutError,
        redis.exceptions.BusyLoadingError,
        # A primary that becomes a replica keeps its connections: a new one goes to where the address points now.
        redis.exceptions.ReadOnlyError,
    ]
    return redis.Redis.from_url(url, retry_on_error=errors, health_check_interval=30, **options)


def check(id: str, schema: bytes | None) -> None:
    """The `check` of the scripts, for reads without a script."""
    if int(schema or 1) > keys.SCHEMA:
        raise NewerSchema(_NEWER.format(what=f"`{id}`", schema=int(schema or 1)))


@contextlib.contextmanager
def unavailable() -> Iterator[None]:
    try:
        yield
    except redis.exceptions.ResponseError as error:
        if newer := re.match(r"NEWER (\d+)", str(error)):
            raise NewerSchema(_NEWER.format(what="the instance", schema=newer[1])) from error
        if isinstance(error, _REFUSALS) or _REFUSAL.search(str(error)):
            raise Unavailable(f"the store refuses: {error}") from error
        raise
    except redis.exceptions.RedisError as error:
        raise Unavailable(f"the store cannot be reached: {error}") from error
