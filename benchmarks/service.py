"""The service that nodes call: it answers after some time, and now and then it fails the first time that it is asked.

`python -m benchmarks.service` prints its port, and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import zlib
from collections.abc import Iterator

FAILING = 0.02
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_ERROR = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def fails(key: str, share: float) -> bool:
    """Whether the first request of a key fails, which is so for this share of all keys."""
    return zlib.crc32(key.encode()) % 10_000 < share * 10_000


class Service:
    """GET /SECONDS/KEY answers after as many, /SECONDS/long/BYTES with as long a text.

    With `once-` or `rarely-` in front of the seconds, all or 2 % of the keys fail the first time.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                what, _, key = head.split(b" ", 2)[1].decode().removeprefix("/").partition("/")
                kind, _, seconds = what.rpartition("-")
                await asyncio.sleep(float(seconds))
                share = {"once": 1.0, "rarely": FAILING}.get(kind, 0.0)
                failed = key not in self._seen and fails(key, share)
                if share:
                    self._seen.add(key)
                body = b'"%s"' % (b"x" * int(key.removeprefix("long/"))) if key.startswith("long/") else b"{}"
                writer.write(_ERROR if failed else _ANSWER % (len(body), body))
                await writer.drain()
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(Service().serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start it in a process of its own, and yield its URL."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.service"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    asyncio.run(main())
