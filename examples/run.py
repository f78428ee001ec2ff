"""`python3 examples/run.py NAME`: runs an example on a running service (`make run` in another terminal first).

NAME is linear, fan_out_fan_in, http_call, retry, policies, large, webhook (for `SECRET_WEBHOOK=... make run`),
fan_out_1000, layered, or a file of your own (.json).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import service  # noqa: E402


def fan_out(width: int = 1000) -> dict[str, Any]:
    """The DAG 1 -> width -> 1."""
    middle = [f"n{number:04d}" for number in range(width)]
    nodes = [{"id": "input", "handler": "input", "dependencies": []}]
    nodes += [{"id": id, "handler": "noop", "dependencies": ["input"]} for id in middle]
    nodes += [{"id": "join", "handler": "noop", "dependencies": middle}]
    return {"name": f"1 -> {width} -> 1", "dag": {"nodes": nodes}}


def layered(layers: int = 20, width: int = 50, parents: int = 3) -> dict[str, Any]:
    """Layers of nodes, each with `parents` parents in the layer before."""
    nodes: list[dict[str, Any]] = []
    for layer in range(layers):
        for place in range(width):
            above = [f"l{layer - 1}_{(place * 7 + step * 11) % width}" for step in range(parents)] if layer else []
            nodes.append({"id": f"l{layer}_{place}", "handler": "noop", "dependencies": above})
    return {"name": f"{layers} layers of {width}", "dag": {"nodes": nodes}}


MADE: dict[str, Callable[[], dict[str, Any]]] = {"fan_out_1000": fan_out, "layered": layered}


def workflow(name: str, port: int = service.PORT) -> dict[str, Any]:
    """The definition of an example by its name, or from a JSON file, with the examples' service on `port`."""
    if name in MADE:
        return MADE[name]()
    path = Path(name) if name.endswith(".json") else HERE / f"{name}.json"
    read: dict[str, Any] = json.loads(path.read_text("utf-8").replace(f":{service.PORT}", f":{port}"))
    return read


def call(base: str, path: str, body: Any = None) -> Any:
    """The answer's JSON to a POST with a body, or to a GET without. Exits with the problem's text on an error."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            sys.exit(f"{path}: {error.code}\n{error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{base} does not answer ({error.reason}): is `make run` running?")


def run(base: str, definition: dict[str, Any], params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Submit, trigger, wait. Returns the status, the results, and the seconds from trigger to end."""
    execution_id = call(base, "/api/workflow", definition)["execution_id"]
    started = time.perf_counter()
    instance_id = call(base, f"/api/workflow/trigger/{execution_id}", {"params": params})["instance_id"]
    status = {"status": "PENDING"}
    while status["status"] in ("PENDING", "RUNNING"):
        status = call(base, f"/api/workflows/{instance_id}?wait=20")
    seconds = time.perf_counter() - started
    return status, call(base, f"/api/workflows/{instance_id}/results"), seconds


def delivery(base: str, status: dict[str, Any]) -> dict[str, Any] | None:
    """The outcome of the instance's webhook, if it has one."""
    end = time.monotonic() + 20
    while (status.get("webhook") or {}).get("status") == "PENDING" and time.monotonic() < end:
        time.sleep(0.1)
        status = call(base, f"/api/workflows/{status['instance_id']}?nodes=false")
    return status.get("webhook")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    options = parser.parse_args()
    server = service.start()
    params: dict[str, Any] = {}
    if options.name in ("http_call", "retry", "policies", "large"):
        params = {"service": f"http://127.0.0.1:{server.server_port}", "user_id": 7}
    status, results, seconds = run(options.url, workflow(options.name, server.server_port), params)
    print(json.dumps(results["output"], indent=2))
    done, total = status["progress"]["completed"], status["progress"]["total"]
    print(f"{status['instance_id']} {status['status']}: {done} of {total} nodes, {seconds:.2f} s")
    hook = delivery(options.url, status)
    if hook:
        print(f"webhook {hook['status']}, attempts: {hook['attempts']}", *filter(None, [hook["last_error"]]))
    sys.exit(0 if status["status"] == "COMPLETED" and (hook is None or hook["status"] == "DELIVERED") else 1)


if __name__ == "__main__":
    main()
