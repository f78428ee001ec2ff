"""Listening sockets: which process has which, by the kernel's tables (Linux), and which ports are free."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import socket
import sys
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"


def listening(pid: int, nearby: dict[str, tuple[str, int]] | None = None) -> set[tuple[str, int]]:
    """Address and port of each TCP socket on which the process listens. Raises OSError if that cannot be read.

    `nearby` is the answer of `listening_nearby` for its network, which costs the most.
    """
    inodes = set()
    for descriptor in (PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    table = listening_nearby(pid) if nearby is None else nearby
    return {table[inode] for inode in inodes & table.keys()}


def listening_nearby(pid: int) -> dict[str, tuple[str, int]]:
    """Every listening socket of the process's network namespace, by inode."""
    found = {}
    for name in ("tcp", "tcp6"):
        path = PROC / str(pid) / "net" / name
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        for fields in map(str.split, lines):
            if fields[3] == LISTEN:
                found[fields[9]] = _address(fields[1])
    return found


def _address(text: str) -> tuple[str, int]:
    """`0100007F:1F90` is 127.0.0.1 and 8080: words of four bytes, each in the order of this machine."""
    host, port = text.split(":")
    words = [int(host[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(host), 8)]
    return str(ipaddress.ip_address(b"".join(words))), int(port, 16)


def is_server(pid: int, port: int) -> bool:
    """Whether this process listens on the port. True where the kernel does not say (macOS)."""
    try:
        return any(port == own for _, own in listening(pid))
    except OSError:
        return not (PROC / "self" / "net" / "tcp").exists()


def is_served(port: int, host: str = "127.0.0.1") -> bool:
    """Whether any server accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            # Where no server listens, the kernel may connect the socket to itself.
            return bool(connection.getsockname() != connection.getpeername())
    except OSError:
        return False


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now. Raises OSError if the host is not an address of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (98, 48, 13):  # in use (Linux, macOS), or below 1024 and not allowed
                return False
            raise
        return True


def free_port() -> int:
    """A port of the loopback address that is free at this moment.

    It is drawn from below the range of client ports: the kernel could give one of these to a client before the server
    is up, or while it restarts. It is random, so that two callers at the same time seldom draw the same.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  # a port is no secret
        if is_free(port):
            return port
