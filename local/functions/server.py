"""A small threaded HTTP server, for clients that come and go at any moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Sends each answer in one write: with Nagle's algorithm, and a write for each header, it would take 44 ms."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def parse_request(self) -> bool:
        """Refuse requests of browsers, and those that come by a foreign name of this address (DNS rebinding)."""
        if not super().parse_request():
            return False
        ours = self.headers.get("Host", self.server.address) == self.server.address
        if ours and not ("Origin" in self.headers or "Sec-Fetch-Site" in self.headers):
            return True
        self.close_connection = True
        self.answer(403, b"{}")
        return False

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """Serves on a free port of the loopback address until closed, without waiting for answers still being sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True, name="http").start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore it: the client has gone away."""
