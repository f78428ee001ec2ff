"""Processes: how to start one, wait for it and stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from local.sockets import is_server

ROOT = Path(__file__).resolve().parent.parent
TETHER = Path(__file__).with_name("tether.py")


class Missing(RuntimeError):
    """A program that is needed is not installed. The message says what to do."""


class NotReady(RuntimeError):
    """A server died, or did not answer in time."""


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, output: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv` with stdout and stderr to `output`, in a session of its own; it dies with the calling thread.

    Because of the session, Ctrl-C in the terminal reaches only the supervisor, which ends the others in order.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *argv],
        env=None if env is None else dict(env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_ready(
    process: subprocess.Popen[bytes],
    ready: Callable[[], bool],
    *,
    seconds: float,
    port: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Poll until `ready()`. Raises NotReady if the process ends, if `stopped()`, or after `seconds`.

    With a port, the process must be the one that listens there: another server may have taken it meanwhile.
    """
    end = time.monotonic() + seconds
    while not ((port is None or is_server(process.pid, port)) and ready()):
        if process.poll() is not None:
            raise NotReady(f"ended with {describe(process.returncode)}")
        if stopped():
            raise NotReady("stopped")
        if time.monotonic() > end:
            raise NotReady(f"did not answer within {seconds:g} s")
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], *, seconds: float = 5) -> None:
    """Send SIGTERM, and after `seconds` SIGKILL to the whole group. Returns once the process is gone."""
    if process.poll() is None and seconds > 0:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def describe(returncode: int | None) -> str:
    """`SIGKILL` or `exit code 3`."""
    if returncode is not None and returncode < 0:
        try:
            return signal.Signals(-returncode).name
        except ValueError:
            return f"signal {-returncode}"
    return f"exit code {returncode}"


def tail(path: Path, lines: int = 15) -> list[str]:
    """The last lines of a log; none if there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []
