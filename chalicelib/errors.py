"""The error tree. A leaf: it imports nothing of the project, and knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document: `pointer` is an RFC 6901 JSON pointer, `detail` a sentence with the remedy."""

    pointer: str
    detail: str


class DagServiceError(Exception):
    """Root of everything this service raises on purpose."""


class BadSettings(DagServiceError, ValueError):
    """Settings that a start cannot go on with. `faults` has a line for each: its name, its value, and the remedy."""

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
    """The body is compressed in a way that is not known here, or not in the way that its header says."""


class Refused(DagServiceError):
    """Whoever asks may not: a page of another origin, or by a name that is not the service's."""


class NotFound(DagServiceError):
    """No workflow or instance has this id (it never had, or its retention is over)."""


class StillRunning(DagServiceError):
    """Results were asked for before the instance was terminal."""


class Conflict(DagServiceError):
    """What was asked for is not possible in the state that the instance is in."""


class IdempotencyConflict(DagServiceError):
    """The Idempotency-Key was used before, with another body."""


class Unavailable(DagServiceError):
    """The store or the queue cannot be reached, or refuses writes. Trying again later is right."""


class NewerSchema(Unavailable):
    """A newer release of this service wrote the instance or the workflow. Nothing was done to it: it waits for that."""


class Overloaded(Unavailable):
    """More work is waiting than the service should take on. What was asked for was not begun."""


class TemplateError(DagServiceError):
    """A template does not parse, or names a path that is not there."""


class MissingSecret(TemplateError):
    """A template names a secret that is nowhere, or that cannot be used."""


class SecretsUnavailable(DagServiceError):
    """Where the secrets are did not answer. The node is retried by its policy."""


class ValuesUnavailable(DagServiceError):
    """Where large results are kept did not answer. The node is retried by its policy."""


class ValueLost(DagServiceError):
    """A large result is not where it was put, or is not what was put there. No retry mends that."""


class HandlerError(Exception):
    """What a handler may raise to say how its failure is to be treated; any other exception is retried by policy."""


class DoNotRetry(HandlerError):
    """Raised by a handler: this node fails now, whatever attempts its policy has left."""
