"""What is said of the work - logged, counted, traced - must not change what became of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chalicelib.core import failure

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def aside(say: Callable[P, R], *given: P.args, **named: P.kwargs) -> R | None:
    """Log, count or trace: None where that goes wrong, and a line of the log that says so.

    A filter or a handler of the log may be a user's own, and so may whatever an exporter calls.
    """
    try:
        return say(*given, **named)
    except Exception as error:
        with contextlib.suppress(Exception):
            log.error("not said", extra={"error": failure.message_of(error)})
        return None
