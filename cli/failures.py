"""Failures: exit codes that a script can tell apart, and sentences that a person can act on."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any


class Exit(IntEnum):
    """The exit codes of `dag`, some of which stand for an instance's status."""

    OK = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    RUNNING = 5
    CANCELLED = 6
    DENIED = 7
    CONFLICT = 8
    SERVER = 9


MEANINGS = {
    Exit.OK: "done; the instance is COMPLETED",
    Exit.FAILED: "the instance FAILED",
    Exit.INVALID: "wrong usage, or a workflow or request that is not valid",
    Exit.NOT_FOUND: "there is no such workflow, instance, file or profile",
    Exit.UNREACHABLE: "the service does not answer, or takes nothing in for now",
    Exit.RUNNING: "the instance is PENDING or RUNNING",
    Exit.CANCELLED: "the instance is CANCELLED",
    Exit.DENIED: "not allowed: a wrong or missing API key, or AWS credentials that may not",
    Exit.CONFLICT: "the instance's status does not allow it",
    Exit.SERVER: "an error of the service or of dag itself, or an answer that is none of the service's own",
}
OF_STATUS = {"COMPLETED": Exit.OK, "FAILED": Exit.FAILED, "CANCELLED": Exit.CANCELLED}
_OF_HTTP = {
    401: Exit.DENIED,
    403: Exit.DENIED,
    404: Exit.NOT_FOUND,
    405: Exit.SERVER,  # the service's release has no such route
    409: Exit.CONFLICT,
    429: Exit.UNREACHABLE,
    502: Exit.UNREACHABLE,
    503: Exit.UNREACHABLE,
    504: Exit.UNREACHABLE,
}


def of_status(status: Any) -> Exit:
    """The exit code for an instance's status."""
    return OF_STATUS.get(status, Exit.RUNNING)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a document; with its `line` if the text is at hand."""

    pointer: str
    detail: str
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"pointer": self.pointer, "detail": self.detail} | ({} if self.line is None else {"line": self.line})


class Failure(Exception):
    """Ends a command. `problem`: the service's own problem document, if it sent one."""

    def __init__(
        self, code: Exit, message: str, *, faults: Sequence[Fault] = (), problem: Mapping[str, Any] | None = None
    ) -> None:
        self.code, self.message = code, message
        self.faults, self.problem = tuple(faults), problem
        super().__init__(message)

    def as_dict(self) -> dict[str, Any]:
        """{"error": "...", "exit": n, "errors": [{pointer, detail, line}], "problem": {...} or null}"""
        faults = [fault.as_dict() for fault in self.faults]
        return {"error": self.message, "exit": int(self.code), "errors": faults, "problem": self.problem}


def unforeseen(error: Exception) -> Failure:
    """The Failure for an unexpected error: a full disk, an answer of another shape, a bug of `dag`."""
    if isinstance(error, OSError) and error.strerror:
        return Failure(Exit.SERVER, f"{error.filename or 'the output'} cannot be used: {error.strerror}")
    what = f"{type(error).__name__}: {error}".removesuffix(": ")[:300]
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({Path(place[0].filename).name}, line {place[0].lineno})" if place else ""
    return Failure(
        Exit.SERVER,
        f"dag did not foresee this: {what}{where}. Either the answer is not one that a dag-service of this release "
        "gives, or this is a fault of dag: `dag --version` and this line are what a report needs",
    )


def of_answer(status: int, document: Any, *, what: str) -> Failure:
    """The Failure for an HTTP answer of 400 or more. `document`: its JSON, or its text if it is not JSON."""
    code = _OF_HTTP.get(status, Exit.INVALID if status < 500 else Exit.SERVER)
    if not isinstance(document, dict) or "title" not in document:
        # API Gateway answers {"message": "Forbidden"}; a proxy answers anything.
        said = document.get("message") if isinstance(document, dict) else document
        return Failure(code, f"{what}: {status} {str(said or '')[:300]}".rstrip())
    if str(document.get("type", "")).endswith("#problem-still-running"):
        code = Exit.RUNNING
    faults = [
        Fault(str(error.get("pointer", "")), str(error.get("detail", "")))
        for error in document.get("errors") or []
        if isinstance(error, dict)
    ]
    message = str(document["title"]) if faults else f"{document['title']}: {document.get('detail', '')}"
    return Failure(code, message, faults=faults, problem=document)
