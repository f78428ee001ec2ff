"""`python gateway.py MODULE`: LocalStack, listening on the loopback address only, and closed to pages in a browser.

LocalStack's web server takes the port of GATEWAY_LISTEN and ignores the host, so any machine in the network could list
and delete queues. This module replaces an address that stands for every interface by the loopback address. It does so
below the server, in `bind`: that holds for any server that LocalStack has or will have, and costs nothing per message,
whereas with hypercorn, which respects the host, LocalStack uses 1.6 times the CPU per message.
The module runs in LocalStack's own virtual environment, so it imports nothing of ours.
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
    """The address to bind instead. A specific host, and the path of a Unix socket, are left as they are."""
    if family == socket.AF_INET6 and address[0] == "":
        return ("::1", *address[1:])
    if family in (socket.AF_INET, socket.AF_INET6) and address[0] in EVERY:
        return (EVERY[address[0]], *address[1:])
    return address


def claim(port: int, act: Callable[[], None], name: Callable[[], Any]) -> None:
    """Bind or listen by `act`. End the process if the gateway's port is taken: LocalStack would run on without it."""
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
    """Guard the sockets, then run the module in this process."""
    import visitors  # type: ignore[import-not-found]  # it is in the folder of this file

    del sys.path[0]  # the folder of this file, whose modules must not shadow others
    if importlib.util.find_spec("localstack") is not None:  # tests run other servers with this file
        visitors.guard()
    guard(int(os.environ["GATEWAY_LISTEN"].rpartition(":")[2]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
