"""Logs one line for each request, and puts the id of the request into its answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib import ids, logs
from chalicelib.invocation import Invocation

REQUEST_ID = "X-Request-Id"

log = logging.getLogger(__name__)


def middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """A middleware of chalice for HTTP. With the id, a client that reports a fault names the log lines to look at."""
    started = time.monotonic()
    with logs.bound(_named(request)):
        response = get_response(request)
        response.headers[REQUEST_ID] = Invocation(request, request.lambda_context).request_id
        ms = round((time.monotonic() - started) * 1000, 1)
        route = {"method": request.method, "route": request.path, "status": response.status_code, "ms": ms}
        log.info("request", extra=route)
    return response


def _named(request: Request) -> dict[str, str]:
    """The instance or workflow in the path. A value that is not a valid id is arbitrary text, and left out."""
    given = (request.uri_params or {}).values()
    kinds = {"instance_id": ids.INSTANCE, "execution_id": ids.EXECUTION}
    return {name: value for value in given for name, kind in kinds.items() if ids.is_valid(value, kind)}
