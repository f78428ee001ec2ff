"""An imitation of API Gateway in front of the service: a stage before the paths, and a required key."""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STAGE = "/dev"
KEY = "k-123"
OPEN = ("/api/ui", "/api/docs", "/api/openapi.json", "/api/health")


@contextlib.contextmanager
def running(service: str, auth: str) -> Iterator[str]:
    """Run it in front of `service`, an address with no path. The page receives `auth` as the setting API_AUTH."""

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.removeprefix(STAGE)
            if not path.startswith(OPEN) and self.headers["X-API-Key"] != KEY:
                self._answer(403, b'{"message": "Forbidden"}', {"Content-Type": "application/json"})
                return
            try:
                with urllib.request.urlopen(service + path, timeout=30) as answer:
                    body = answer.read().replace(b'data-auth="none"', f'data-auth="{auth}"'.encode())
                    self._answer(answer.status, body, dict(answer.headers))
            except urllib.error.HTTPError as error:
                with error:
                    self._answer(error.code, error.read(), dict(error.headers))

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name in ("Content-Type", "Content-Security-Policy", "Cache-Control"):
                if name in headers:
                    self.send_header(name, headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{STAGE}/api/ui"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
