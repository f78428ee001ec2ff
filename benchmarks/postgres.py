"""Debian's PostgreSQL, with a cluster of its own in a folder, reached by a Unix socket. It refuses to run as root."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from local.processes import spawn, stop, wait_ready

USER = "postgres"  # of Debian's package


def _bin() -> Path | None:
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return max(found, key=lambda path: float(path.parts[-3])).parent if found else None


def is_there() -> bool:
    return _bin() is not None


def version() -> str:
    done = subprocess.run([f"{_bin()}/postgres", "--version"], text=True, capture_output=True, check=True)
    found = re.search(r"[0-9.]+", done.stdout)
    return found[0] if found else ""


@contextlib.contextmanager
def running(directory: Path) -> Iterator[str]:
    """Run it with the settings of Debian, fsync included; yields the URL of a database."""
    bins = _bin()
    assert bins
    data, sockets = directory / "postgres", directory / "sockets"
    for folder in (data, sockets):
        folder.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--pdeathsig", "KILL"]
        directory.chmod(0o711)  # the other user must reach its folders
        for folder in (data, sockets):
            shutil.chown(folder, USER, USER)
    subprocess.run([*as_user, bins / "initdb", "-D", data, "-U", "bench", "-A", "trust"], check=True, stdout=2, cwd="/")
    command = [*as_user, f"{bins}/postgres", "-D", str(data), "-k", str(sockets), "-h", "", "-c", "max_connections=300"]
    process = spawn(command, output=2)
    ready = [str(bins / "pg_isready"), "-q", "-h", str(sockets)]
    try:
        wait_ready(process, lambda: subprocess.run(ready, check=False).returncode == 0, seconds=30)
        subprocess.run([bins / "createdb", "-h", sockets, "-U", "bench", "bench"], check=True)
        yield f"postgresql://bench@/bench?host={sockets}"
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM would wait for open connections
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        stop(process, seconds=0)
