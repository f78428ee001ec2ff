"""The processes of a local run: the supervisor that holds DATA_DIR, and its children."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from doctor.findings import Finding, broken, ok, warning
from local import folder
from local.sockets import is_free

START = "make run (its log says why it ended)"


@dataclass(frozen=True, kw_only=True)
class ProcessFacts:
    """`children`: the number of processes by module (`local.worker`, ...); None if nothing runs.

    `ports`: by name, the port that a stack would take if it started now, and whether it is free.
    """

    data_dir: Path
    children: Counter[str] | None
    ports: dict[str, tuple[int, bool]]


def gather(data_dir: Path, ports: dict[str, int]) -> ProcessFacts:
    pid = folder.holder(data_dir)
    children = None if pid is None else children_of(pid)
    taken = {name: (port, is_free(port)) for name, port in ports.items()} if pid is None else {}
    return ProcessFacts(data_dir=data_dir, children=children, ports=taken)


def children_of(pid: int) -> Counter[str]:
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,args="], capture_output=True, text=True, check=True).stdout
    words = (line.split() for line in listed.splitlines())
    return Counter(word for parent, *rest in words if parent == str(pid) for word in rest if word.startswith("local."))


def running(facts: ProcessFacts) -> Finding:
    if facts.children is None:
        return broken("local run", f"nothing runs on {facts.data_dir}", START)
    return ok("local run", f"on {facts.data_dir}")


def workers(facts: ProcessFacts) -> Finding | None:
    if facts.children is None:
        return None
    count = facts.children["local.worker"]
    if not count:
        return broken("workers", "none runs: messages wait", "make run WORKERS=2, unless they run elsewhere")
    return ok("workers", f"{count} alive")


def poller(facts: ProcessFacts) -> Finding | None:
    if facts.children is None:
        return None
    if not facts.children["local.poller"]:
        do = "the supervisor starts it again: its log (`make run`) says what ends it"
        return broken("poller", "not alive: nobody sweeps, and nobody settles dead letters", do)
    return ok("poller", "alive: sweeps, and settles dead letters")


def ports(facts: ProcessFacts) -> list[Finding]:
    found = []
    for name, (port, free) in facts.ports.items():
        says = f"{port} is {'free' if free else 'in use'}"
        do = f"make run {name}=..." if name == "PORT" else f"nothing: another one is taken, unless {name} is set"
        found.append(ok(f"port {name}", says) if free else warning(f"port {name}", says, do))
    return found
