"""The backends of a local run, a store and a queue: the caller's servers, or Valkey and LocalStack on free ports."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local import localstack, valkey
from local.child import Child
from local.config import BadConfiguration, Config
from local.sockets import free_port, is_free

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backends:
    """Where store and queue are, and the children that serve them: none for a server of the caller's."""

    redis_url: str
    endpoint_url: str
    children: list[Child]


def choose(config: Config, say: Say) -> Backends:
    """The backends that `config` asks for; nothing is started yet. Raises BadConfiguration, Missing."""
    redis_url, endpoint_url = config.redis_url, config.aws_endpoint_url
    children: list[Child] = []
    if not redis_url:
        port = pick_port("Valkey", valkey.DEFAULT_PORT, say, fixed=config.valkey_port)
        redis_url = valkey.url(port)
        directory = config.data_dir / "valkey"
        directory.mkdir(exist_ok=True)
        children.append(_child("valkey", config, port, valkey.command(port, directory), os.environ, valkey.is_ready))
    if not endpoint_url:
        port = pick_port("LocalStack", localstack.DEFAULT_PORT, say, fixed=config.localstack_port)
        endpoint_url = localstack.url(port)
        env = localstack.environment(port, config.data_dir / "localstack")
        children.append(_child("localstack", config, port, localstack.command(), env, localstack.is_ready))
    return Backends(redis_url, endpoint_url, children)


def _child(
    name: str,
    config: Config,
    port: int,
    argv: list[str],
    env: Mapping[str, str],
    is_ready: Callable[[int], bool],
) -> Child:
    log = config.data_dir / f"{name}.log"
    log.write_bytes(b"")
    return Child(
        name,
        argv,
        env=dict(env),
        ready=functools.partial(is_ready, port),
        log=log,
        vital=True,
        grace_seconds=3,
        place=("127.0.0.1", port),
    )


def pick_port(name: str, default: int, say: Say, *, fixed: int = 0) -> int:
    """The fixed port, which must be free; else the default if it is free; else any free one, which `say` reports.

    Raises BadConfiguration.
    """
    if fixed and not is_free(fixed):
        raise BadConfiguration(
            f"port {fixed} ({name}) is in use or not allowed: set another one with {name.upper()}_PORT=..., "
            "or leave it out for any that is free"
        )
    if fixed or is_free(default):
        return fixed or default
    port = free_port()
    say(f"port {default} ({name}) is in use; {name} takes {port}")
    return port
