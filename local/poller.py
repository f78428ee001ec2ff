"""`python -m local.poller`: the clock of a local run. Sweeps, and settles what came to the dead-letter queue."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable

from local.worker import STOP_SECONDS, leave, mapping, on_signals

log = logging.getLogger(__name__)


def sweep_until(stopping: threading.Event, sweep: Callable[[], object], *, seconds: float) -> None:
    """Call `sweep` every `seconds` until `stopping`. Its errors are waited out: a line at the first and at the end."""
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


def main() -> None:
    stopping = threading.Event()
    on_signals(stopping.set)
    app = importlib.import_module("app")
    application = importlib.import_module("chalicelib.composition").application()
    dead = mapping(app.dead_letters, os.environ["DEAD_LETTER_QUEUE_URL"], "dead-letters")
    threading.Thread(target=dead.run, daemon=True, name="dead-letters").start()
    seconds = float(os.environ.get("SWEEP_INTERVAL") or 1)
    log.info("poller ready, sweeping every %g s", seconds)
    sweep_until(stopping, application.sweep.run, seconds=seconds)
    leave(dead.stop(seconds=STOP_SECONDS))


if __name__ == "__main__":
    main()
