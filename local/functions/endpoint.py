"""Lambda's Invoke over HTTP, as boto3 calls it: AWS_ENDPOINT_URL_LAMBDA points here.

AWS Lambda API Reference, "Invoke".
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from local.functions.environment import FunctionError
from local.functions.function import Function

log = logging.getLogger(__name__)


class Endpoint:
    """Answers for `functions`, by name or ARN, until closed.

    An asynchronous event (`InvocationType: Event`) is answered with 202 and run afterwards, once: AWS would try a
    failed one again after a minute.
    """

    def __init__(self, functions: Mapping[str, Function], *, threads: int = 8) -> None:
        self._functions = functions
        self._later = ThreadPoolExecutor(threads, thread_name_prefix="lambda-event")
        self._server = _server(self)
        threading.Thread(target=self._server.serve_forever, daemon=True, name="lambda-endpoint").start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._later.shutdown(cancel_futures=True)

    def function(self, name: str) -> Function | None:
        """By `name`, `name:alias`, or an ARN with or without an alias."""
        if name.startswith("arn:"):
            name = name.split(":", 6)[6]
        return self._functions.get(name.split(":")[0])

    def later(self, function: Function, payload: bytes) -> None:
        self._later.submit(self._run, function, payload)

    def _run(self, function: Function, payload: bytes) -> None:
        try:
            function.invoke(payload)
        except FunctionError as error:
            log.warning("%s failed on an asynchronous event: %s", function.name, error)


def _server(endpoint: Endpoint) -> ThreadingHTTPServer:
    class Invoke(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
            name = unquote(self.path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations"))
            function = endpoint.function(name)
            if function is None:
                message = json.dumps({"Type": "User", "Message": f"Function not found: {name}"})
                self._answer(404, message.encode(), {"X-Amzn-ErrorType": "ResourceNotFoundException"})
            elif self.headers.get("X-Amz-Invocation-Type") == "Event":
                endpoint.later(function, payload)
                self._answer(202, b"")
            else:
                try:
                    self._answer(200, function.invoke(payload))
                except FunctionError as error:
                    self._answer(200, error.payload, {"X-Amz-Function-Error": "Unhandled"})

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Invoke)
    server.daemon_threads = True
    server.block_on_close = False
    return server
