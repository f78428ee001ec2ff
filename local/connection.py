"""One connection to the local server."""

from __future__ import annotations

import functools
import gzip
import io
import logging
import socket
from http import HTTPStatus
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from chalice.app import Response
from chalice.local import ChaliceRequestHandler, ForbiddenError, LocalGateway, LocalGatewayException

from chalicelib import errors
from chalicelib.models.views import ProblemDetails
from chalicelib.web import problems
from chalicelib.web.origins import Policy
from local import body
from local.patience import IDLE_SECONDS, Patience

# How much of a refused body is read and thrown away, so that the client reads the answer before the connection ends.
LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 2.0
GZIP_MIN_BYTES = 1024
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

log = logging.getLogger(__name__)


class Gateway(LocalGateway):
    """Chalice's stand-in for API Gateway. Only the app answers OPTIONS, as on API Gateway."""

    def _has_user_defined_options_method(self, lambda_event: dict[str, Any]) -> bool:
        return True


class Connection(ChaliceRequestHandler):
    """Reads the requests of one client, one after the other, and answers them."""

    disable_nagle_algorithm = True  # with it, a kept-alive request costs 44 ms
    wbufsize = -1
    timeout = IDLE_SECONDS
    rfile: io.BufferedIOBase
    path: str

    def __init__(self, *args: Any, max_body_bytes: int, request_seconds: float, callers: Policy, **kwargs: Any) -> None:
        self.max_body_bytes = max_body_bytes
        self.request_seconds = request_seconds
        self.callers = callers
        self._gateway = Gateway(kwargs["app_object"], kwargs["config"])
        super().__init__(*args, **kwargs)

    def setup(self) -> None:
        super().setup()
        self.local_gateway = self._gateway
        self.rfile.close()
        self._patience = Patience(self.connection, self.request_seconds)
        self.rfile = io.BufferedReader(self._patience, 65536)

    def handle_one_request(self) -> None:
        self._patience.next_request()
        super().handle_one_request()

    def _generic_handle(self) -> None:
        if not self._acceptable():
            return
        try:
            super()._generic_handle()
        except TimeoutError:
            self.send_error(HTTPStatus.REQUEST_TIMEOUT, f"The request was not all there in {self.request_seconds:g} s")
        except body.Fault as fault:
            self.send_error(fault.status, str(fault))
            self._linger()  # there may be more of it on the way
        except body.TooLarge:
            self._send_too_large()
        except ConnectionError:
            self.close_connection = True
        except Exception as error:
            self._send(problems.of_error(error), close=True)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = _generic_handle

    def do_HEAD(self) -> None:
        """Like GET; `_send_http_response_with_body` leaves the body out."""
        self.command = "GET"
        self._generic_handle()

    def _parse_payload(self) -> tuple[dict[str, str], bytes | None]:
        read = body.read(cast(BinaryIO, self.rfile), self._length, self.max_body_bytes)
        # If a header is repeated, API Gateway passes the last one on.
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.path, host = target(self.path)
        if host is not None:
            headers["host"] = host
        return headers, read or None

    def _acceptable(self) -> bool:
        """Whether the body may be read at all. If not, the answer has been sent."""
        try:
            self._length = body.length(self.headers, self.max_body_bytes)
            if not self.headers.get("authorization", "").isascii():  # chalice would raise
                raise body.Fault("The Authorization header is not ASCII")
        except body.Fault as fault:
            self.send_error(fault.status, str(fault))
            return False
        except body.TooLarge:
            self._send_too_large()
            return False
        return True

    def _send_too_large(self) -> None:
        kind = problems.KINDS[errors.BodyTooLarge]
        self._send(problems.problem(kind, f"the body may have at most {self.max_body_bytes} bytes"), close=True)
        self._linger()

    def handle_expect_100(self) -> bool:
        """Answer a client that asks before it sends a large body, as curl does. The base class only buffers the yes."""
        if not self._acceptable():
            return False
        self.send_response_only(HTTPStatus.CONTINUE)
        self.end_headers()
        self.wfile.flush()
        return True

    def _send_error_response(self, error: LocalGatewayException) -> None:
        """For an unknown path API Gateway answers 403; clients expect 404."""
        if isinstance(error, ForbiddenError):
            kind = problems.KINDS[errors.NotFound]
            self._send(problems.problem(kind, "there is nothing at this address: see /api/docs"))
        else:
            super()._send_error_response(error)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server itself refuses, such as a malformed request line or an unknown method."""
        status = HTTPStatus(code)
        body = ProblemDetails(
            type=problems.BLANK, title=status.phrase, status=status, detail=message or status.description
        ).model_dump_json(exclude_unset=True)
        self._send(Response(body, {"Content-Type": problems.CONTENT_TYPE}, status.value), close=True)

    def _send(self, response: Response, *, close: bool = False) -> None:
        """Send an answer that is not the app's, so that a page of an allowed origin can read it too."""
        given = getattr(self, "headers", None)  # a malformed request has none
        headers = {**response.headers, **self.callers.headers(given and given.get("origin"))}
        if close:
            self.close_connection = True
            headers["Connection"] = "close"
        self._send_http_response_with_body(response.status_code, headers, response.body)

    def _send_http_response_with_body(self, code: int, headers: dict[str, Any], body: str | bytes) -> None:
        data = body if isinstance(body, bytes) else body.encode()
        # Compress the files of the API's page, as API Gateway does with minimum_compression_size.
        if headers.get("Content-Type", "").startswith("text/") and len(data) >= GZIP_MIN_BYTES:
            headers["Vary"] = ", ".join(filter(None, [headers.get("Vary"), "Accept-Encoding"]))
            if "gzip" in self.headers.get("accept-encoding", ""):
                headers["Content-Encoding"] = "gzip"
                data = _compressed(data)
        self.send_response(code)
        if code not in WITHOUT_BODY:
            headers = {"Content-Type": "application/json", **headers, "Content-Length": str(len(data))}
        self._send_headers(headers)
        if code not in WITHOUT_BODY and not self.requestline.startswith("HEAD "):
            self.wfile.write(data)

    def _linger(self) -> None:
        """Read on for a moment: closing at once could reset the connection before the client has read the answer."""
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self._patience.hurry(LINGER_SECONDS)
            left = LINGER_BYTES
            while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
                left -= len(chunk)
        except OSError:
            log.debug("connection failed", exc_info=True)

    def version_string(self) -> str:
        return "dag-service"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


@functools.lru_cache(maxsize=8)
def _compressed(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def target(given: str) -> tuple[str, str | None]:
    """The path and query of a request's target; in absolute form also its host, which overrides the Host header."""
    host = None
    if given.lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(given)
        except ValueError:  # not a URL: it will be answered with 404
            return given, None
        host, given = parts.netloc, (parts.path or "/") + (parts.query and f"?{parts.query}")
    path, mark, query = given.partition("?")
    return path.replace(";", "%3B") + mark + query, host  # chalice would cut the path at a semicolon
