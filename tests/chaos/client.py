"""A client as it should be: it repeats a request, with the same Idempotency-Key, until it has an answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

# The service restarts within a second or two, so a client waits only briefly before it tries again.
PAUSE = 0.1
TIMEOUT = 30.0


class Client:
    """It repeats a request for at most `patience` seconds. Safe to share between threads."""

    def __init__(self, url: str, *, patience: float) -> None:
        self._host = urlsplit(url).netloc
        self._patience = patience
        self.asked_again = 0

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Return the status and the JSON of the first answer that is not a 5xx."""
        end = time.monotonic() + self._patience
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        data = None if body is None else json.dumps(body)
        while True:
            try:
                with contextlib.closing(http.client.HTTPConnection(self._host, timeout=TIMEOUT)) as connection:
                    connection.request(method, path, data, headers)
                    answer = connection.getresponse()
                    status, found = answer.status, answer.read()
                if status < 500:
                    return status, json.loads(found)
                problem = f"{status} {found.decode()}"
                # The service may be restarting, and may refuse. Only a fault of its own is a failure of the test.
                assert status != 500, f"{method} {path}: {problem}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            assert time.monotonic() < end, f"no answer to {method} {path} in {self._patience:.0f} s: {problem}"
            self.asked_again += 1
            time.sleep(PAUSE)
