"""The small HTTP service that the examples call: users, policies, long reports, a webhook, and a path that fails twice.

`python3 examples/service.py` serves it on 127.0.0.1:8911; examples/run.py starts its own.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

PORT = 8911  # the port in the examples


class Service(BaseHTTPRequestHandler):
    """Answers in JSON."""

    seen: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts[0] == "users" and len(parts) == 2:
            self._answer(200, {"id": parts[1], "name": f"User {parts[1]}"})
        elif parts[0] == "reports" and len(parts) == 2:
            self._answer(200, {"lines": [f"{number:05d} {'=' * 60}" for number in range(int(parts[1]))]})
        elif parts[0] == "flaky" and len(parts) == 2:
            self.seen[parts[1]] += 1
            ready = self.seen[parts[1]] > 2
            self._answer(200 if ready else 503, {"answer": "third time lucky"} if ready else {"error": "not yet"})
        else:
            self._answer(404, {"error": "no such thing"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/hook":
            instance_id, signature = body["data"]["instance_id"], self.headers["webhook-signature"]
            print(f"webhook: {body['type']} {instance_id}, signed {signature}", flush=True)
            self._answer(200, {})
        else:
            self._answer(200, {"policies": [f"{body['holder']} / household", f"{body['holder']} / travel"]})

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def start(port: int = 0) -> ThreadingHTTPServer:
    """Serve in a thread. Port 0 stands for any free one."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Service).serve_forever()
