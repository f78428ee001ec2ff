"""The work of a node, the same in every engine: nothing, or a Fibonacci number, and a line in the trace.

The line costs some 2 µs (one write to an open file). By it every run is checked: see trace.py.
"""

from __future__ import annotations

import functools
import os
import time


def run(instance: str, node: str, n: int | None = None) -> None:
    """A no-op, or fibonacci(n)."""
    started = time.monotonic_ns()
    if n is not None:
        fibonacci(n)
    os.write(_trace(), f"{instance} {node} {started} {time.monotonic_ns()}\n".encode())


def fibonacci(n: int) -> int:
    """Plain recursion."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@functools.cache
def _trace() -> int:
    """The trace, opened for appending, so that lines of several processes do not mix."""
    return os.open(os.environ["BENCH_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
