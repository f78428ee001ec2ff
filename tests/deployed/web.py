"""A service that nodes call, and that calls a function of the test before it answers."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator

from local.functions import server


@contextlib.contextmanager
def web(on_call: Callable[[int], object]) -> Iterator[str]:
    """Run a server that calls `on_call` with the number of each request, from 1, and then answers {"call": number}.

    Yields its URL.
    """
    numbers = itertools.count(1)

    class Handler(server.Handler):
        def do_GET(self) -> None:
            number = next(numbers)
            on_call(number)
            self.answer(200, json.dumps({"call": number}).encode())

    with contextlib.closing(server.Server(Handler)) as running:
        yield f"http://{running.address}/"
