"""`python -m local.worker`: runs `app.worker` as Lambda does on AWS. At SIGTERM it finishes the batch in hand."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from local import queues
from local.entry import prepared
from local.mapping import EventSourceMapping, Function

STOP_SECONDS = 10
# Shorter than AWS's 20: an emulator may deliver a message to the poll of a worker that was killed meanwhile, and the
# message then waits for its visibility timeout.
WAIT_SECONDS = 5
# How many batches one process has in hand at most.
CONCURRENCY = 10

log = logging.getLogger(__name__)


def mapping(function: Function, queue_url: str, name: str, **options: Any) -> EventSourceMapping:
    """A mapping from the queue at `queue_url` to `function`, with a client configured by the environment."""
    region = os.environ.get("AWS_REGION", "us-east-1")
    sqs: Any = queues.client(os.environ.get("AWS_ENDPOINT_URL"), region, read_seconds=WAIT_SECONDS + 10)
    # A local invocation is not ended, so the limit is Lambda's maximum of 15 minutes.
    return EventSourceMapping(
        sqs,
        queue_url,
        function,
        name=name,
        region=region,
        wait_seconds=WAIT_SECONDS,
        timeout_seconds=900,
        **options,
    )


def on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def allow_open_files() -> None:
    """As many as the system lets the process have: each node that waits for a service has a connection."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # some systems have no such limit, or none to be set
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def leave(clean: bool) -> None:
    """End the process at once, even if threads still poll or run a handler."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0 if clean else 1)


def main() -> None:
    stopping = threading.Event()
    on_signals(stopping.set)
    allow_open_files()
    app, made = prepared("worker")
    queue_url = os.environ["QUEUE_URL"]
    source = mapping(app.worker, queue_url, "worker", concurrency=CONCURRENCY, closed=lambda: made.worker.closed)
    thread = threading.Thread(target=source.run, daemon=True, name="mapping")
    thread.start()
    log.info("worker ready")
    stopping.wait()
    clean = source.stop(seconds=STOP_SECONDS)
    if not clean:
        log.warning("a batch still ran after %d s; its messages come again", STOP_SECONDS)
    leave(clean)


if __name__ == "__main__":
    main()
