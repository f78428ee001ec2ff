"""The work of a node, the same in every engine: nothing, a Fibonacci number or an HTTP call, and a line in the trace.

The line costs some 2 µs (one write to an open file). By it every run is checked: see trace.py.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import os
import time
from collections import deque
from urllib.parse import urlsplit


class CallFailed(Exception):
    """The service answered with an error."""


def run(instance: str, node: str, n: int | None = None, call: str | None = None) -> None:
    """A no-op, fibonacci(n), or a call of the service, in this thread. Raises CallFailed."""
    started = time.monotonic_ns()
    if n is not None:
        fibonacci(n)
    if call is not None:
        _call(f"/{call}/{instance}/{node}")
    _note(instance, node, started)


async def run_async(instance: str, node: str, n: int | None = None, call: str | None = None) -> None:
    """The same, but the call is on the event loop."""
    if call is None:
        run(instance, node, n)
        return
    started = time.monotonic_ns()
    await _call_async(f"/{call}/{instance}/{node}")
    _note(instance, node, started)


def _note(instance: str, node: str, started: int) -> None:
    os.write(_trace(), f"{instance} {node} {started} {time.monotonic_ns()}\n".encode())


def fibonacci(n: int) -> int:
    """Plain recursion."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@functools.cache
def _trace() -> int:
    """The trace, opened for appending, so that lines of several processes do not mix."""
    return os.open(os.environ["BENCH_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@functools.cache
def _address() -> tuple[str, int]:
    parts = urlsplit(os.environ["BENCH_SERVICE"])
    return parts.hostname or "", parts.port or 0


# Connections that are kept alive, and not in use.
_idle: deque[http.client.HTTPConnection] = deque()


def _call(path: str) -> None:
    try:
        connection = _idle.pop()
    except IndexError:
        connection = http.client.HTTPConnection(*_address(), timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    _idle.append(connection)
    if answer.status != 200:
        raise CallFailed(f"{path}: {answer.status}")


async def _call_async(path: str) -> None:
    reader, writer = await asyncio.open_connection(*_address())
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise CallFailed(f"{path}: {head[:20]!r}")
