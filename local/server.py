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
from collections.abc import Callable
from typing import Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import CustomLocalChalice, LocalChalice, LocalDevServer, ThreadedHTTPServer

from chalicelib.web.origins import Policy
from local.connection import Connection
from local.entry import prepared
from local.replicas import Replica, Replicas

REQUEST_SECONDS = 30.0  # from the first byte of a request to its last, however slowly they arrive
NOBODY = Policy(frozenset(), frozenset())

log = logging.getLogger(__name__)


class Server(ThreadedHTTPServer):
    """Chalice's server with room for many clients that connect at once. `every_moment` is called twice a second."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *args: Any, is_shared: bool = False, **kwargs: Any) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.allow_reuse_port = is_shared
        self.every_moment: Callable[[], object] = lambda: None
        super().__init__(address, *args, **kwargs)

    def service_actions(self) -> None:
        self.every_moment()

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
    is_shared: bool = False,
) -> LocalDevServer:
    """A server for `app`, listening. Port 0 takes a free one. `callers`: the origins and hosts that the app allows.

    `is_shared`: other processes listen at the same address.
    """
    if not isinstance(app, LocalChalice):
        # As chalice.local.create_local_server does: `current_request` becomes one per thread.
        CustomLocalChalice.__bases__ = (LocalChalice, app.__class__)
        app.__class__ = CustomLocalChalice
    handler = functools.partial(
        Connection, max_body_bytes=max_body_bytes, request_seconds=request_seconds, callers=callers
    )
    made = functools.partial(Server, is_shared=is_shared)
    return LocalDevServer(app, Config(chalice_stage="dev"), host, port, handler_cls=handler, server_cls=made)


def main() -> None:
    """Serve until SIGTERM or SIGINT. Requests that are still waiting then are cut off."""
    module, application = prepared("submission", "triggering", "runs", "status", "results", "health")
    host, port = os.environ.get("HOST") or "127.0.0.1", int(os.environ.get("PORT") or "8000")
    processes = int(os.environ.get("HTTP_PROCESSES") or "1")
    server = create(
        module.app,
        host,
        port,
        max_body_bytes=application.settings.max_body_bytes,
        callers=module.CALLERS,
        is_shared=processes > 1,
    )
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _stop)
    others = Replicas(processes)  # those of the first process: a replica starts none
    if Replica.is_one():
        this = Replica()
        server.server.every_moment = lambda: _stop() if this.is_alone else None
    else:
        print(f"Serving on http://{f'[{host}]' if ':' in host else host}:{server.server.server_port}", flush=True)
        server.server.every_moment = others.look_after
    try:
        server.server.serve_forever()
    finally:
        others.end()
        server.server.server_close()


def _stop(*_: Any) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
