"""`python -m local.poller`: the clock of a local run. It sweeps, and consumes the dead-letter queue."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.entry import prepared
from local.mapping import ACCOUNT, LambdaContext
from local.worker import STOP_SECONDS, leave, mapping, on_signals

log = logging.getLogger(__name__)


def sweep_until(stopping: threading.Event, sweep: Callable[[], object], *, seconds: float) -> None:
    """Call `sweep` every `seconds` until `stopping`. Errors are logged once when they begin and once when they end."""
    failing = False
    while not stopping.wait(seconds):
        try:
            sweep()
        except Exception as error:
            if not failing:
                log.warning("the sweep fails, trying on: %s", error)
            failing = True
        else:
            if failing:
                log.info("the sweep works again")
            failing = False


def scheduled_event() -> dict[str, Any]:
    """The event with which EventBridge invokes a function on a schedule."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "region": os.environ.get("AWS_REGION", "us-east-1"),
        "resources": [],
        "detail-type": "Scheduled Event",
        "detail": {},
    }


def main() -> None:
    stopping = threading.Event()
    on_signals(stopping.set)
    app, _ = prepared("dead_letters", "sweep", "sizing")
    dead = mapping(app.dead_letters, os.environ["DEAD_LETTER_QUEUE_URL"], "dead-letters")
    threading.Thread(target=dead.run, daemon=True, name="dead-letters").start()
    seconds = float(os.environ.get("SWEEP_INTERVAL") or 1)
    log.info("poller ready, sweeping every %g s", seconds)
    sweep_until(stopping, lambda: app.sweep(scheduled_event(), LambdaContext("sweep", seconds=60)), seconds=seconds)
    leave(dead.stop(seconds=STOP_SECONDS))


if __name__ == "__main__":
    main()
