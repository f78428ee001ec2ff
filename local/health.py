"""The health of a server on this machine, asked over HTTP."""

from __future__ import annotations

import http.client


def ask(host: str, port: int, path: str, *, seconds: float) -> tuple[int, bytes] | None:
    """Status and body of a GET; None if nothing answers in time."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
