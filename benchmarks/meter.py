"""The meter of what a run uses: SQS requests and invocations at the clients, commands at the store."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3

from chalicelib.composition import Application
from chalicelib.core.cost import Consumption
from chalicelib.queues.sqs import SqsQueue
from chalicelib.settings import Settings
from local.mapping import EventSourceMapping
from scheduler.dispatch import LambdaDispatch

ROUND_TRIPS = ("execute_command", "pipeline")


class Meter:
    """An application on a real Redis and SQS, with one worker in this thread, so that counts are reproducible.

    `scheduling`: as in the settings. With `lambda` the scheduler function is called in this thread, and counted.
    `processor_seconds` are those of all invocations.
    """

    def __init__(
        self,
        redis_url: str,
        queue_url: str,
        endpoint_url: str,
        *,
        scheduling: str = "inline",
        batch_size: int = 10,
        **settings: Any,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = self.processor_seconds = 0.0
        servers = {"redis_url": redis_url, "queue_url": queue_url, "aws_endpoint_url": endpoint_url}
        self.app = Application(Settings(**servers, **settings))
        self._sqs = boto3.client("sqs", endpoint_url=endpoint_url, region_name="us-east-1")
        self._sqs.meta.events.register("before-call.sqs.*", self._count_sqs)
        self.app.queue = SqsQueue(lambda: self._sqs, queue_url)
        if scheduling == "lambda":
            app = self.app
            app.dispatch = LambdaDispatch(
                app.queue, self, resend_ms=app.dispatch.by.resend_ms, weight=app.sizing.size, room=app.dispatch.room
            )
        self._redis = self.app.redis
        for name in ROUND_TRIPS:
            setattr(self._redis, name, self._counted(getattr(self._redis, name)))
        self._mapping = EventSourceMapping(
            self._sqs, queue_url, self._handle, wait_seconds=1, timeout_seconds=900, batch_size=batch_size
        )

    def close(self) -> None:
        self._sqs.close()
        self._redis.close()

    def run(self, workflow: dict[str, Any], instances: int = 1) -> Consumption:
        """Run from the triggers to the end; `calls` then holds the round trips, without the empty receives."""
        execution_id = self.app.submission.submit(json.dumps(workflow).encode(), None).execution_id
        before, self.seconds, self.processor_seconds = self._commands(), 0.0, 0.0
        self.calls.clear()
        waiting = {self.app.triggering.trigger(execution_id, b"", None).instance_id for _ in range(instances)}
        receives = 0
        while waiting:
            receives += bool(self._mapping.poll())
            waiting = {id for id in waiting if not self._ended(id)}
        self.calls["ReceiveMessage"] = receives
        return Consumption(
            nodes=len(workflow["dag"]["nodes"]) * instances,
            instances=instances,
            sqs_requests=sum(self.calls[name] for name in ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch")),
            invocations=self.calls["invocation"],
            seconds=self.seconds,
            redis_commands=self._commands() - before,
        )

    def invoke(self, instance_id: str) -> None:
        """See queues/protocol.py."""
        self.calls["scheduler"] += 1
        with self._invocation():
            self.app.scheduler.handle({"instance_id": instance_id})

    def _handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        with self._invocation():
            return self.app.worker.handle(event, context)

    @contextlib.contextmanager
    def _invocation(self) -> Iterator[None]:
        self.calls["invocation"] += 1
        started, used = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
            self.processor_seconds += time.process_time() - used

    def _ended(self, instance_id: str) -> bool:
        self.calls["redis"] -= 1  # this request is the meter's own
        status = self.app.store.status(instance_id)
        if status == "FAILED":
            raise RuntimeError(f"{instance_id} failed")
        return status == "COMPLETED"

    def _commands(self) -> int:
        """The number of commands that the server executed, those in scripts included."""
        self.calls["redis"] -= 1
        stats = self._redis.info("commandstats")
        return sum(entry["calls"] for entry in stats.values())

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls["redis"] += 1
            return call(*arguments, **options)

        return counted

    def _count_sqs(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1
