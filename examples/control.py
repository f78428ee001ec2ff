"""`python3 examples/control.py`: what can be done to instances (`make run` in another terminal first).

A service fails twice, so the first and the second run of the instance fail, and the third completes. Another instance
is paused, resumed and cancelled. Both are listed and deleted.
"""

from __future__ import annotations

import argparse
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import service
from run import call, workflow


def wait(base: str, instance_id: str) -> dict[str, Any]:
    status: dict[str, Any] = call(base, f"/api/workflows/{instance_id}?wait=20")
    while status["status"] in ("PENDING", "RUNNING"):
        status = call(base, f"/api/workflows/{instance_id}?wait=20")
    return status


def delete(base: str, instance_id: str) -> int:
    request = urllib.request.Request(f"{base}/api/workflows/{instance_id}", method="DELETE")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    base = parser.parse_args().url
    server = service.start()
    params = {"service": f"http://127.0.0.1:{server.server_port}", "key": str(time.time_ns())}
    execution_id = call(base, "/api/workflow", workflow("control"))["execution_id"]
    triggered = call(base, f"/api/workflow/trigger/{execution_id}", {"params": params, "tags": {"run": params["key"]}})
    first = f"/api/workflows/{triggered['instance_id']}"
    print("the first run is", wait(base, triggered["instance_id"])["status"])
    print("  flaky:", call(base, f"{first}/history?node=flaky")["why"]["flaky"])
    for _ in range(2):
        epoch = call(base, f"{first}/rerun", {})["epoch"]
        print("run", epoch, "is", wait(base, triggered["instance_id"])["status"])
    events = call(base, f"{first}/history?node=flaky")["events"]
    print("  flaky:", ", ".join(f"{event['event']} ({event['epoch']})" for event in events))
    call(base, f"{first}/rerun", {"from": ["flaky"]})
    print("run again from flaky on:", wait(base, triggered["instance_id"])["status"])

    params["service"] = "http://127.0.0.1:9"  # nothing listens there
    policy = {"max_attempts": 9, "initial_backoff_seconds": 60, "max_backoff_seconds": 60}
    patient = workflow("control") | {"defaults": {"retry_policy": policy}}
    execution_id = call(base, "/api/workflow", patient)["execution_id"]
    second = call(base, f"/api/workflow/trigger/{execution_id}", {"params": params})["instance_id"]
    print("paused:", call(base, f"/api/workflows/{second}/pause", {})["paused"])
    print("paused:", call(base, f"/api/workflows/{second}/resume", {})["paused"])
    print("then", call(base, f"/api/workflows/{second}/cancel", {"reason": "an example"})["status"])
    listed = call(base, "/api/workflows?tag=example:control&limit=2")["instances"]
    print("the newest two:", ", ".join(f"{one['name']} {one['status']} ({one['epoch']})" for one in listed))
    print("deleted:", [delete(base, one["instance_id"]) for one in listed])


if __name__ == "__main__":
    main()
