"""One release of the engine, controlled line by line: `python engine.py REDIS_URL SETTINGS`, its tree on PYTHONPATH.

Each line is a JSON list, the name of a command and its arguments; each answer is a line of JSON. The messages that a
command sent come with its answer, and the caller decides which release gets them. Nothing is imported here but what
every release has.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import chalicelib
from chalicelib import logs
from chalicelib.composition import Application
from chalicelib.queues.memory import MemoryQueue
from chalicelib.settings import Settings


class Engine:
    def __init__(self, redis_url: str, settings: dict[str, Any]) -> None:
        self.queue = MemoryQueue()
        # Without hops every node is a message, so there are many moments at which another release can take over.
        self.app = Application(
            Settings(redis_url=redis_url, hop_seconds=0, lease_seconds=0.5, handler_modules="handlers", **settings)
        )
        self.app.queue = self.queue
        self._one = getattr(self.app, "service", None)  # releases that had one part for all four uses

    def home(self) -> str:
        return str(chalicelib.__file__)

    def start(self, workflow: dict[str, Any]) -> str:
        submitted = (self._one or self.app.submission).submit(json.dumps(workflow).encode(), None)
        return (self._one or self.app.triggering).trigger(submitted.execution_id, b"", None).instance_id

    def work(self, body: str) -> int:
        """Handle messages. Returns the number of those that failed."""
        event = {"Records": [{"messageId": "m", "body": body, "attributes": {}, "messageAttributes": {}}]}
        return len(self.app.worker.handle(event)["batchItemFailures"])

    def sweep(self) -> int:
        """Sweep. Returns the number of instances that failed."""
        return self.app.sweep.run().failed

    def status(self, instance_id: str) -> dict[str, Any]:
        status = self._one.status if self._one else self.app.status.of
        return dict(json.loads(status(instance_id).model_dump_json()))

    def results(self, instance_id: str) -> dict[str, Any]:
        one, app = self._one, self.app
        text = one.results(instance_id).model_dump_json() if one else app.results.of(instance_id)
        return dict(json.loads(text)["results"])


def main() -> None:
    logs.configure("WARNING", "text")
    engine = Engine(sys.argv[1], json.loads(sys.argv[2]))
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer = getattr(engine, name)(*arguments)
        print(json.dumps([answer, engine.queue.take(10_000)]), flush=True)


if __name__ == "__main__":
    main()
