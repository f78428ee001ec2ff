"""Small tools for child processes: ports, start, wait, stop."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
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
    """A server died or stayed silent while it was waited for."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now. Raises OSError for a host that is not of this machine."""
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
    """A port of the loopback address that nobody uses at this moment.

    It is drawn from below those that the kernel gives to clients: such a one could be gone while its server is
    down for a moment, or was not yet up, and two that look at the same time seldom draw the same.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        if is_free(port):
            return port


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, output: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv`, stdout and stderr to `output`, in a session of its own and dying with the calling thread.

    A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which ends the others in order.
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
    """Poll until `ready()`. Raises NotReady when the process ends, `stopped()` holds, or after `seconds`.

    With a port, only this process's own answer there counts: another server may have taken it meanwhile.
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
    """SIGTERM, and SIGKILL to its whole group after `seconds`. Returns once the process is gone."""
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
    """The last lines of a log; none when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []
