"""`python3 examples/synchronous.py`: calls a workflow like a function (`make run` in another terminal first).

The answer to the trigger has the output. If the instance takes longer than a request, the same request is sent again:
with the same Idempotency-Key it waits for the same instance.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import service
from run import call, workflow

ENDED = 200  # 202: it still runs


def run(base: str, execution_id: str, params: dict[str, Any], key: str) -> dict[str, Any]:
    """Start an instance, and return how it ended: its status, error and output."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    url, body = f"{base}/api/workflow/trigger/{execution_id}?wait=20", json.dumps({"params": params}).encode()
    while True:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            if answer.status == ENDED:
                return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    base = parser.parse_args().url
    server = service.start()
    params = {"service": f"http://127.0.0.1:{server.server_port}", "user_id": 7}
    execution_id = call(base, "/api/workflow", workflow("http_call"))["execution_id"]
    key = uuid.uuid4().hex
    first = run(base, execution_id, params, key)
    print(first["status"], first["output"])
    again = run(base, execution_id, params, key)
    print("with the same key, the same instance:", first == again)
    failed = run(base, execution_id, {"service": "http://127.0.0.1:9"}, uuid.uuid4().hex)  # nothing listens there
    print(failed["status"], f"{failed['error']['node']}: {failed['error']['message']}")


if __name__ == "__main__":
    main()
