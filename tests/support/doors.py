"""The ports that other machines could reach: listening sockets of a process and of all that it started (Linux)."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from collections import defaultdict
from pathlib import Path

from local.sockets import listening, listening_nearby


def tree(root: int) -> list[int]:
    """Return the process and its descendants, in all sessions."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found = re.search(r"^PPid:\s+(\d+)", (entry / "status").read_text(), re.M)
                children[int(found[1]) if found else 0].append(int(entry.name))
    known = [root]
    for pid in known:
        known += children[pid]
    return known


def listeners(root: int) -> dict[tuple[str, int], str]:
    """Return the address and port of each listener, with the command line of its process."""
    found = {}
    networks: dict[str, dict[str, tuple[str, int]]] = {}
    for pid in tree(root):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            network = os.readlink(f"/proc/{pid}/ns/net")
            if network not in networks:
                networks[network] = listening_nearby(pid)
            for place in listening(pid, networks[network]):
                found[place] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def open_doors(root: int) -> dict[tuple[str, int], str]:
    """Return the listeners that are not on a loopback address."""
    return {place: who for place, who in listeners(root).items() if not ipaddress.ip_address(place[0]).is_loopback}
