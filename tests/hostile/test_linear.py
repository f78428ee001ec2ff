"""Large but legal input costs in proportion to its size. Executed lines are counted, so a busy machine fails no test.

benchmarks/validation.py measures the seconds.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from benchmarks.validation import document, validate


def lines_run(work: Callable[[], object]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
        return trace

    # What other tests left to be collected has finalizers, whose lines would be counted here.
    gc.collect()
    gc.disable()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def shaped(parents: list[list[int]]) -> bytes:
    nodes = [
        {
            "id": f"n{node}",
            "handler": "noop",
            "dependencies": [f"n{parent}" for parent in mine],
            "config": {f"k{parent}": f"{{{{ n{parent}.x }}}}" for parent in mine},
        }
        for node, mine in enumerate(parents)
    ]
    return json.dumps({"name": "large", "dag": {"nodes": nodes}}).encode()


SHAPES: dict[str, Callable[[int], bytes]] = {
    "random, 5 edges a node": lambda size: document(size, 5 * size),
    "a chain": lambda size: shaped([[node - 1] if node else [] for node in range(size)]),
    "one node with all edges": lambda size: shaped([*([[]] * size), list(range(size))]),
    "a root with all edges": lambda size: shaped([[], *([[0]] * size)]),
    "chains side by side": lambda size: shaped([[node - 10] if node >= 10 else [] for node in range(size)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_times_the_size_is_ten_times_the_work(shape: str) -> None:
    small, large = SHAPES[shape](100), SHAPES[shape](1000)
    validate(small)  # one-time work is done
    assert lines_run(lambda: validate(large)) <= 11 * lines_run(lambda: validate(small))


def test_the_count_does_tell() -> None:
    def quadratic(size: int) -> None:
        for _ in range(size):
            for _ in range(size):
                pass

    assert lines_run(lambda: quadratic(100)) > 50 * lines_run(lambda: quadratic(10))
