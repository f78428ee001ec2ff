"""The protocol between runner and adapter: one line of JSON each way.

The adapter is a child process in its engine's own virtual environment. Once everything is up, it sends `{"versions":
{...}}`. Then it answers each line `{"workflow": {...}, "instances": 1}` with `{"seconds": ..., "latencies": {...}}`, or
with `{"error": "..."}`. With `beside`, a small workflow, it runs that again and again meanwhile, and answers with its
latencies as well. At the end of its input it ends, with everything that it started.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Returns, by instance, the seconds from its submission to the moment at which the client knows of its end.
Run = Callable[[Mapping[str, Any], int], dict[str, float]]
Prepare = Callable[[int], None]

# Done before anything else runs, so that the output of an engine and its workers goes to stderr.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def directory() -> Path:
    """The folder of an engine's files in this turn."""
    return Path(os.environ["BENCH_DIR"])


def redis_url() -> str:
    """The URL of this turn's Valkey."""
    return os.environ["BENCH_REDIS_URL"]


def new_id() -> str:
    """The id of an instance."""
    return uuid.uuid4().hex


def serve(
    run: Run,
    *packages: str,
    prepare: Prepare = lambda instances: None,
    more: Mapping[str, str] | None = None,
    second: Run | None = None,
) -> None:
    """Answer requests until there are no more. `prepare` is not timed. `second` is `run` for another thread."""
    versions = {package: importlib.metadata.version(package) for package in packages}
    _say({"versions": {"Python": platform.python_version(), **versions, **(more or {})}})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            prepare(request["instances"])
            started = time.perf_counter()
            if "beside" in request:
                latencies, small = beside(run, second or run, request["workflow"], request["beside"])
            else:
                latencies, small = run(request["workflow"], request["instances"]), []
            answer = {"seconds": time.perf_counter() - started, "latencies": latencies, "beside": small}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        _say(answer)


def beside(run: Run, second: Run, wide: Any, small: Any) -> tuple[dict[str, float], list[float]]:
    """Run `wide` three times, and `small` again and again until these have ended."""
    found: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: [run(wide, 1) for _ in range(3)])
        while not running.done():
            found += second(small, 1).values()
            time.sleep(0.02)
        return running.result()[-1], found


def _say(answer: dict[str, Any]) -> None:
    _answers.write(json.dumps(answer) + "\n")
    _answers.flush()
