"""`python -m benchmarks.metering`: what metrics cost, in microseconds of processor time a node, by the setting METRICS.

There is one worker, a queue in memory and a real Valkey; the lines for CloudWatch are discarded. Each setting has a
process of its own in each round; the fastest one counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bill import WORKLOADS
from benchmarks.turn import running_valkey
from chalicelib.queues.memory import MemoryQueue
from tests.support.harness import application, drain

SETTINGS = ("none", "emf", "prometheus")
ROUNDS = 5


def main() -> None:
    fastest: dict[str, dict[str, float]] = {setting: {} for setting in SETTINGS}
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as url:
        for _ in range(ROUNDS):
            for setting, best in fastest.items():
                for title, spent in child(setting, url, folder).items():
                    best[title] = min(spent, best.get(title, spent))
    print("| METRICS | " + " | ".join(WORKLOADS) + " |\n|---|" + "---|" * len(WORKLOADS))
    for setting, best in fastest.items():
        print(f"| {setting} | " + " | ".join(f"{best[title]:.1f}" for title in WORKLOADS) + " |")


def child(setting: str, url: str, folder: str) -> dict[str, float]:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": folder}
    command = [sys.executable, "-m", "benchmarks.metering", setting, url, folder]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stderr))


def measure(setting: str, url: str, folder: str) -> dict[str, float]:
    """By workload, the better of two runs after a warm-up."""
    queue = MemoryQueue()
    kept: dict[str, Any] = (
        {"prometheus_multiproc_dir": folder, "metrics_process": "worker"} if setting == "prometheus" else {}
    )
    app = application(url, queue, metrics=setting, **kept)
    spent: dict[str, float] = {}
    for title, (workflow, instances) in WORKLOADS.items():
        execution_id = app.submission.submit(json.dumps(workflow).encode(), None).execution_id
        nodes = len(workflow["dag"]["nodes"]) * instances
        for number in range(3):
            started = time.process_time()
            for _ in range(instances):
                app.triggering.trigger(execution_id, b"", None)
            drain(app, queue)
            app.metrics.flush()
            each = (time.process_time() - started) / nodes * 1e6
            if number:
                spent[title] = min(each, spent.get(title, each))
    return spent


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            found = measure(*sys.argv[1:])
        print(json.dumps(found), file=sys.stderr)
