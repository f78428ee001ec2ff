"""Logs, metrics and traces must not change the outcome of the work that they report."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chalicelib.core import failure

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def best_effort(report: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """Call `report`, which logs, counts or traces. If it raises, log that and return None.

    Log filters and handlers, and what an exporter calls, may be a user's own code.
    """
    try:
        return report(*args, **kwargs)
    except Exception as error:
        with contextlib.suppress(Exception):
            log.error("not said", extra={"error": failure.message_of(error)})
        return None
