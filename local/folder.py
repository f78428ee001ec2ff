"""DATA_DIR: what a local run keeps there, how it is told from other folders, and how it is removed.

`python folder.py DATA_DIR` is the part of `make clean` that could delete other people's data. Any Python 3 runs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

MARKER = ".dag-service"
LOCK = "lock"
ENV_FILE = "env"
VALUES = "values"
METRICS = "metrics"
NAMES = (ENV_FILE, VALUES, METRICS, "valkey", "valkey.log", "localstack", "localstack.log", LOCK, MARKER)
WHAT = "The data of a local run of dag-service is in this folder; `make clean` removes it.\n"


class NotOurs(RuntimeError):
    """The folder has a file that no run wrote, where a run would write its own. The message names it."""


class InUse(RuntimeError):
    """Another local run holds the folder."""


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Claim the folder and hold its lock, in which `make doctor` finds this process. Raises NotOurs, InUse, OSError."""
    claim(directory)
    with (directory / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InUse(f"a local run uses {directory} already") from error
        lock.truncate(0)  # only now: until here it may be another run's
        print(os.getpid(), file=lock, flush=True)
        yield


def claim(directory: Path) -> None:
    """Create the folder, or mark the existing one as ours. Raises NotOurs, OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    if not is_ours(directory):
        foreign = [name for name in NAMES if (directory / name).exists()]
        if foreign:
            raise NotOurs(f"{directory} holds a `{foreign[0]}` that no local run wrote")
        (directory / MARKER).write_text(WHAT, "utf-8")


def is_ours(directory: Path) -> bool:
    """By its marker, or, if an older release made it, by its lock with the id of a process."""
    try:
        if (directory / MARKER).read_text("utf-8") == WHAT:
            return True
    except (OSError, ValueError):
        pass
    try:
        return (directory / LOCK).read_text("utf-8").strip().isdecimal() and (directory / ENV_FILE).is_file()
    except (OSError, ValueError):
        return False


def remove(directory: Path) -> str:
    """Delete what runs wrote, and the folder if nothing else is in it. Returns a message for the user, or nothing."""
    if not directory.is_dir() or not any(directory.iterdir()):
        return ""
    if not is_ours(directory):
        return f"{directory} is left as it is: no local run made it, as far as can be told"
    if holder(directory) is not None:
        return f"{directory} is left as it is: a local run uses it; end that first"
    for name in NAMES:
        path = directory / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if any(directory.iterdir()):
        return f"{directory} is kept: there are other files in it"
    if not directory.is_symlink():
        directory.rmdir()
    return ""


def holder(directory: Path) -> int | None:
    """The process id of the run that holds the folder (0 before it has written its id); None if none does."""
    if not (directory / LOCK).exists():
        return None
    with (directory / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return int(lock.read() or 0)
        return None


if __name__ == "__main__":
    said = remove(Path(sys.argv[1]))
    if said:
        print(said)
