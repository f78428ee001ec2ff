"""TLS in front of a server without it, like ElastiCache's encryption in transit, with certificates of its own CA."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator

import trustme


@contextlib.contextmanager
def terminator(port: int, certificate: trustme.LeafCert) -> Iterator[int]:
    """Listen with TLS on a free port of the loopback address, and forward everything to `port`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        stop = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            inner, outer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(_pass(reader, outer), _pass(inner, writer))
            finally:
                tasks.discard(task)
                for end in (outer, writer):
                    end.transport.abort()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
        started.append((server.sockets[0].getsockname()[1], stop))
        ready.set()
        await stop.wait()
        server.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes sockets in its next iteration

    started: list[tuple[int, asyncio.Event]] = []
    ready = threading.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield started[0][0]
    finally:
        loop.call_soon_threadsafe(started[0][1].set)
        thread.join(10)
        loop.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
