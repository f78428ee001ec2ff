"""A file in which the handlers of all processes record their runs. Each line is one write, so a killed process leaves
whole lines."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "CHAOS_DIARY"
# A run of a handler began, is about to return its result, or is about to raise.
START, END, RAISE = "start", "end", "raise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Each run of a handler has a new `token`, which is part of its result."""

    what: str
    instance: str
    node: str
    attempt: int
    token: str
    pid: int


def write(entry: Entry, environ: Mapping[str, str] = os.environ) -> None:
    descriptor = os.open(environ[VARIABLE], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, json.dumps(asdict(entry)).encode() + b"\n")
    finally:
        os.close(descriptor)


class Diary:
    """Reads on in the file from where it stopped, in any thread. Its lines are in the order of their writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self._offset = 0
        self._lock = threading.Lock()
        path.touch()

    def read(self) -> list[Entry]:
        """Return all entries so far."""
        with self._lock, self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            self.entries += [Entry(**json.loads(line)) for line in whole.splitlines()]
            return list(self.entries)

    def busy(self) -> set[int]:
        """Return the processes that run a handler now, or died in one."""
        open_runs: dict[str, int] = {}
        for entry in self.read():
            if entry.what == START:
                open_runs[entry.token] = entry.pid
            else:
                open_runs.pop(entry.token, None)
        return set(open_runs.values())
