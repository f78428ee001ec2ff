"""The error tree. It imports nothing of the project, and knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document: `pointer` is an RFC 6901 JSON pointer, `detail` a sentence with the remedy."""

    pointer: str
    detail: str


class DagServiceError(Exception):
    """The root of the errors that this service raises on purpose."""


class BadSettings(DagServiceError, ValueError):
    """The service cannot start with these settings. `faults` has a line for each: its name, its value, the remedy."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class MalformedBody(DagServiceError):
    """The body is not JSON at all."""


class BodyTooLarge(DagServiceError):
    """The body is over the size limit."""


class InvalidDocument(DagServiceError):
    """The body is JSON, but not a valid document: `problems` holds every fault that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(f"{len(problems)} problem(s): {problems[0].detail if problems else ''}")


class UnsupportedEncoding(DagServiceError):
    """The body's Content-Encoding is not supported, or the body is not encoded as that header says."""


class Refused(DagServiceError):
    """The request comes from a page of another origin, or names a host that is not the service's."""


class NotFound(DagServiceError):
    """No workflow or instance has this id: none ever had, or its retention is over."""


class StillRunning(DagServiceError):
    """Results were asked for before the instance was terminal."""


class Conflict(DagServiceError):
    """The request is not possible in the current state of the instance."""


class IdempotencyConflict(DagServiceError):
    """The Idempotency-Key was used before, with another body."""


class Unavailable(DagServiceError):
    """The store or the queue cannot be reached, or refuses writes. The request may be tried again later."""


class NewerSchema(Unavailable):
    """A newer release of this service wrote the instance or workflow. It was not changed: it waits for that release."""


class Overloaded(Unavailable):
    """Too much work is waiting already. The requested work was not begun."""


class TemplateError(DagServiceError):
    """A template does not parse, or names a path that does not exist."""


class MissingSecret(TemplateError):
    """A template names a secret that does not exist, or that cannot be used."""


class SecretsUnavailable(DagServiceError):
    """The source of secrets did not answer. The node is retried by its policy."""


class ValuesUnavailable(DagServiceError):
    """The storage of large results did not answer. The node is retried by its policy."""


class ValueLost(DagServiceError):
    """A large result is missing, or is not the one that was stored. A retry would fail as well."""


class HandlerError(Exception):
    """The base of errors by which a handler decides about retries. Any other exception is retried by the policy."""


class DoNotRetry(HandlerError):
    """A handler raises this to fail its node now, even if its policy has attempts left."""
