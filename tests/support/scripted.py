"""A server that sends exactly the bytes that a test gives, for faults that no HTTP library would send."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

WAIT = 10


@dataclass(frozen=True)
class Say:
    """The answer to a request: bytes, and then, with `end`, the end of the connection, "fin" or "rst"."""

    data: bytes
    end: str = ""


@dataclass
class Asked:
    """A request as it was received, and the number of its connection."""

    connection: int
    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.partition("\r\n")[0].rpartition(" ")[0]

    def header(self, name: str) -> str | None:
        found = re.search(rf"^{name}: *(.*?)\r?$", self.head, re.IGNORECASE | re.MULTILINE)
        return found[1] if found else None


@dataclass
class Script:
    """`says` has the answers in turn, on any connection. When none is left, the server hangs up."""

    says: list[Say | bytes]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> list[int]:
        """The number of the connection of each request."""
        return [asked.connection for asked in self.asked]

    def late(self, connection: int, data: bytes) -> None:
        """Send unrequested bytes on a connection; a client that has hung up is not affected."""
        with contextlib.suppress(OSError):
            self.sockets[connection].sendall(data)

    def serve(self, number: int, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            stream = sock.makefile("rb")
            while head := _head(stream):
                length = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
                self.asked.append(Asked(number, head, stream.read(int(length[1]) if length else 0)))
                if not self.says:
                    break
                said = self.says.pop(0)
                said = said if isinstance(said, Say) else Say(said)
                sock.sendall(said.data)
                if said.end == "rst":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if said.end:
                    break
            stream.close()
        sock.close()


def _head(stream: BinaryIO) -> str:
    lines: list[bytes] = []
    while line := stream.readline():
        if line == b"\r\n":
            return b"".join(lines).decode("latin-1")
        lines.append(line)
    return ""


@contextlib.contextmanager
def scripted(*says: Say | bytes, tls: ssl.SSLContext | None = None) -> Iterator[Script]:
    """Run it on a free port of the loopback address."""
    script = Script(list(says))
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        script.port = server.getsockname()[1]

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock = server.accept()[0]
                    sock.settimeout(WAIT)
                    if tls:
                        sock = tls.wrap_socket(sock, server_side=True)
                    script.sockets.append(sock)
                    serve = threading.Thread(target=script.serve, args=(len(script.sockets) - 1, sock), daemon=True)
                    threads.append(serve)
                    serve.start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield script
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # accept() returns
            for sock in script.sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(WAIT)
