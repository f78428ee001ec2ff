"""Errors as RFC 9457 problem details. Only here are errors mapped to HTTP statuses."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from chalice.app import Request, Response

from chalicelib import errors

CONTENT_TYPE = "application/problem+json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, the last part of its type, and the seconds to wait before a retry."""

    status: HTTPStatus
    title: str
    slug: str
    retry_after: int | None = None
    # Set if the error's own text could name hosts or code: the log gets that text, the client this one.
    detail: str | None = None

    @property
    def type(self) -> str:
        return f"/api/docs#problem-{self.slug}"


KINDS: dict[type[errors.DagServiceError], Kind] = {
    errors.MalformedBody: Kind(HTTPStatus.BAD_REQUEST, "The body is not JSON", "malformed-body"),
    errors.Refused: Kind(HTTPStatus.FORBIDDEN, "Refused", "refused"),
    errors.NotFound: Kind(HTTPStatus.NOT_FOUND, "Not found", "not-found"),
    errors.StillRunning: Kind(HTTPStatus.CONFLICT, "The instance is still running", "still-running", retry_after=1),
    errors.Conflict: Kind(HTTPStatus.CONFLICT, "Not possible in this state", "conflict"),
    errors.BodyTooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large", "body-too-large"),
    errors.UnsupportedEncoding: Kind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body's encoding is not supported", "unsupported-encoding"
    ),
    errors.InvalidDocument: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid", "invalid-document"),
    errors.IdempotencyConflict: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The idempotency key was used with another body", "idempotency-conflict"
    ),
    errors.Unavailable: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Temporarily unavailable",
        "unavailable",
        retry_after=5,
        detail="The store or the queue cannot be reached, or refuses writes. Nothing is lost: try again later.",
    ),
    errors.ValuesUnavailable: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Large results cannot be read",
        "values-unavailable",
        retry_after=5,
        detail="Where large results are kept does not answer. Nothing is lost: try again later.",
    ),
    errors.ValueLost: Kind(
        HTTPStatus.GONE,
        "A large result is lost",
        "value-lost",
        detail="The result was deleted, or changed, where it was kept. Run the instance again from its node.",
    ),
    errors.NewerSchema: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "Written by a newer release", "newer-schema", retry_after=60
    ),
    errors.Overloaded: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Overloaded", "overloaded", retry_after=10),
}
INTERNAL = Kind(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Internal error",
    "internal-error",
    detail="Something went wrong on the server. It was logged; the same request may well succeed later.",
)
# The type of the framework's own errors (405, 415): the status says all there is to say.
BLANK = "about:blank"


def problem(kind: Kind, detail: str, faults: list[errors.Problem] | None = None) -> Response:
    """A response for `kind`."""
    text = _document(kind.type, kind.title, kind.status, kind.detail or detail, faults)
    headers: dict[str, str | list[str]] = {"Content-Type": CONTENT_TYPE}
    if kind.retry_after is not None:
        headers["Retry-After"] = str(kind.retry_after)
    return Response(text, headers=headers, status_code=int(kind.status))


def of_error(error: Exception) -> Response:
    """A response for any exception. One that was not raised on purpose becomes a 500 without internal details."""
    kind = next((KINDS[base] for base in type(error).__mro__ if base in KINDS), INTERNAL)
    if kind is INTERNAL:
        log.error("unexpected error in a request", exc_info=error)
    elif kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("unavailable", extra={"error": str(error)})
    return problem(kind, str(error), getattr(error, "problems", None))


def translated(view: Callable[..., Response]) -> Callable[..., Response]:
    """Make a route answer with problem details. (In a chalice middleware it would be too late: chalice catches first.)

    It also decodes what the path captures, which neither API Gateway nor chalice does: the service's ids have no `%`.
    """

    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        try:
            return view(*args, **{name: unquote(value) for name, value in kwargs.items()})
        except Exception as error:
            return of_error(error)

    return wrapper


def middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """A middleware of chalice for HTTP: its own errors (`{"Code": ..., "Message": ...}`) become problem details."""
    response = get_response(request)
    if response.status_code >= HTTPStatus.BAD_REQUEST and isinstance(response.body, dict) and "Code" in response.body:
        status = HTTPStatus(response.status_code)
        text = _document(BLANK, status.phrase, status, response.body.get("Message", ""))
        headers = {name: value for name, value in response.headers.items() if name.lower() != "content-type"}
        return Response(text, headers={**headers, "Content-Type": CONTENT_TYPE}, status_code=status.value)
    return response


def _document(
    type: str, title: str, status: HTTPStatus, detail: str, faults: list[errors.Problem] | None = None
) -> str:
    """The problem as JSON, without `errors` if there are none."""
    # Every Lambda function imports this module, but only the one for HTTP needs the models.
    from chalicelib.models.views import ProblemDetails, ProblemError

    document = ProblemDetails(type=type, title=title, status=status, detail=detail)
    if faults:
        document.errors = [ProblemError(pointer=fault.pointer, detail=fault.detail) for fault in faults]
    return document.model_dump_json(exclude_unset=True)
