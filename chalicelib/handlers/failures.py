"""Why an HTTP call got no answer, in words for the author of a workflow: the errors of urllib3 and ssl, translated."""

from __future__ import annotations

import http.client
import ssl

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from chalicelib.errors import DoNotRetry
from chalicelib.handlers import content
from chalicelib.wire import BadAnswer, TooLate


class CallFailed(Exception):
    """There is no answer: the connection failed, or took too long."""


def translated(error: Exception, url: str) -> Exception:
    """The error to raise instead of `error`: CallFailed, or DoNotRetry if another try would end in the same way."""
    if isinstance(error, (DoNotRetry, CallFailed)):
        return error
    host = host_of(url)
    if isinstance(error, NewConnectionError):
        return CallFailed(f"{host} refuses the connection, or cannot be reached")
    if isinstance(error, ConnectTimeoutError):
        return CallFailed(f"{host} did not accept the connection in time")
    if isinstance(error, ReadTimeoutError):
        return CallFailed(f"{host} did not answer in time")
    if isinstance(error, TooLate):
        return CallFailed(f"the answer of {host} took longer than the time that was left")
    if isinstance(error, content.Broken):
        return CallFailed(f"the answer of {host} is broken: {error}")
    if isinstance(error, ProtocolError) and (reason := _reason(error)):
        return CallFailed(f"{host} {reason}")
    if isinstance(error, (ssl.SSLError, urllib3.exceptions.SSLError)):
        return CallFailed(f"{host}: TLS failed: {error}"[:300])
    if isinstance(error, (ValueError, UnicodeError, urllib3.exceptions.URLSchemeUnknown)):
        return DoNotRetry(f"the request to {host} is not valid: {error}"[:300])
    return CallFailed(f"the call to {host} failed: {type(error).__name__}")


def host_of(url: str) -> str:
    """The URL's host, in backquotes, for a message."""
    try:
        return f"`{urllib3.util.parse_url(url).host}`"
    except LocationParseError:
        return "the server"


def _reason(error: ProtocolError) -> str:
    cause = error.args[1] if len(error.args) > 1 else None
    if isinstance(cause, http.client.IncompleteRead):
        return "closed the connection before its answer was over"
    if isinstance(cause, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    return f"sent an answer that is not to be trusted: {cause}" if isinstance(cause, BadAnswer) else ""
