"""`python gateway.py MODULE`: LocalStack, listening on the loopback address alone, and closed to pages in a browser.

Its web server is given the port of GATEWAY_LISTEN and drops the host: every machine around could then list and delete
queues. Here whatever would listen on every address gets the loopback one. This is done beneath the server, at `bind`,
so that it holds for any server that LocalStack has or will have, and costs nothing per message: with hypercorn, which
keeps the host, LocalStack uses 1.6 times the CPU per message.
It runs in LocalStack's own virtual environment, and so imports nothing of ours.
"""

import errno
import importlib.util
import os
import runpy
import socket
import sys
from collections.abc import Callable
from typing import Any

EVERY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def on_loopback(family: int, address: Any) -> Any:
    """The address to bind instead. A host that is named, and the path of a Unix socket, are left as they are."""
    if family == socket.AF_INET6 and address[0] == "":
        return ("::1", *address[1:])
    if family in (socket.AF_INET, socket.AF_INET6) and address[0] in EVERY:
        return (EVERY[address[0]], *address[1:])
    return address


def claim(port: int, act: Callable[[], None], name: Callable[[], Any]) -> None:
    """End the process where the gateway's port is another's: LocalStack would go on without, and seem to serve."""
    try:
        act()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and name() == port:
            print(f"port {port} is in use by another server: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        raise


def guard(port: int) -> None:
    """Change how every socket of this process binds and listens."""
    bind, listen = socket.socket.bind, socket.socket.listen

    def bind_on_loopback(self: socket.socket, address: Any) -> None:
        place = on_loopback(self.family, address)
        claim(port, lambda: bind(self, place), lambda: place[1])

    def listen_or_end(self: socket.socket, *backlog: int) -> None:
        claim(port, lambda: listen(self, *backlog), lambda: self.getsockname()[1])

    socket.socket.bind = bind_on_loopback  # type: ignore[method-assign, assignment]
    socket.socket.listen = listen_or_end  # type: ignore[method-assign, assignment]


def main() -> None:
    """Become the module."""
    import visitors  # type: ignore[import-not-found]  # it stands beside this file

    del sys.path[0]  # the folder of this file, whose modules must not be found before others of their names
    if importlib.util.find_spec("localstack") is not None:  # a test runs other servers by this file
        visitors.guard()
    guard(int(os.environ["GATEWAY_LISTEN"].rpartition(":")[2]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
