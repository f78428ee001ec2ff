"""`python -m local.server`: the HTTP side of a local run, with HOST and PORT from the environment.

It is Chalice's development server with another request handler, which is some 300 times faster on kept-alive
connections, refuses large bodies before it reads them, and answers malformed requests instead of dropping the
connection.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import socket
from typing import Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import CustomLocalChalice, LocalChalice, LocalDevServer, ThreadedHTTPServer

from chalicelib.web.origins import Policy
from local.connection import Connection
from local.entry import prepared

REQUEST_SECONDS = 30.0  # from the first byte of a request to its last, however slowly they arrive
NOBODY = Policy(frozenset(), frozenset())

log = logging.getLogger(__name__)


class Server(ThreadedHTTPServer):
    """Chalice's server with room for many clients that connect at once."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *args: Any, **kwargs: Any) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, *args, **kwargs)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer is not worth a traceback."""
        log.debug("connection failed", exc_info=True)


def create(
    app: Chalice,
    host: str,
    port: int,
    *,
    max_body_bytes: int,
    request_seconds: float = REQUEST_SECONDS,
    callers: Policy = NOBODY,
) -> LocalDevServer:
    """A server for `app`, listening. Port 0 takes a free one. `callers`: the origins and hosts that the app allows."""
    if not isinstance(app, LocalChalice):
        # As chalice.local.create_local_server does: `current_request` becomes one per thread.
        CustomLocalChalice.__bases__ = (LocalChalice, app.__class__)
        app.__class__ = CustomLocalChalice
    handler = functools.partial(
        Connection, max_body_bytes=max_body_bytes, request_seconds=request_seconds, callers=callers
    )
    return LocalDevServer(app, Config(chalice_stage="dev"), host, port, handler_cls=handler, server_cls=Server)


def main() -> None:
    """Serve until SIGTERM or SIGINT. Requests that are still waiting then are cut off."""
    module, application = prepared("submission", "triggering", "runs", "status", "results", "health")
    host, port = os.environ.get("HOST") or "127.0.0.1", int(os.environ.get("PORT") or "8000")
    server = create(module.app, host, port, max_body_bytes=application.settings.max_body_bytes, callers=module.CALLERS)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _stop)
    print(f"Serving on http://{f'[{host}]' if ':' in host else host}:{server.server.server_port}", flush=True)
    try:
        server.server.serve_forever()
    finally:
        server.server.server_close()


def _stop(signum: int, frame: Any) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
