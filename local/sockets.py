"""Who listens where: the kernel's tables, matched with the sockets that a process has open (Linux)."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"


def listening(pid: int) -> set[tuple[str, int]]:
    """Address and port of each TCP socket on which the process listens. Raises OSError where nobody may look."""
    inodes = set()
    for descriptor in (PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    table = _table(pid)
    return {table[inode] for inode in inodes & table.keys()}


def _table(pid: int) -> dict[str, tuple[str, int]]:
    """Every listening socket of the process's network, by inode."""
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
    """Whether it is this process that listens on the port. True where the kernel does not tell (macOS)."""
    try:
        return any(port == own for _, own in listening(pid))
    except OSError:
        return not (PROC / "self" / "net" / "tcp").exists()


def is_served(port: int, host: str = "127.0.0.1") -> bool:
    """Whether anybody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            # The kernel may connect a socket to itself, where nobody listens.
            return bool(connection.getsockname() != connection.getpeername())
    except OSError:
        return False
