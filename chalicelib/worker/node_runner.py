"""Runs one claimed node. It returns the handler's result; a failure it commits itself."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib import logs
from chalicelib.best_effort import best_effort
from chalicelib.core import failure
from chalicelib.core.calls import Children
from chalicelib.core.handler import Handler
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import MAX_DELAY_MS, Ready
from chalicelib.errors import Unavailable
from chalicelib.handlers.api import Context
from chalicelib.metrics.protocol import Metrics, NodeEnd
from chalicelib.scheduling import Dispatch, Settler
from chalicelib.secrets.redact import NOTHING, Redactor
from chalicelib.secrets.vault import Vault
from chalicelib.store.protocol import Store
from chalicelib.tracing.tracer import SILENT, Span, Tracer
from chalicelib.values.offload import Offload
from chalicelib.worker import attempt, events, serialization
from chalicelib.worker.executor import Executor
from chalicelib.worker.heartbeat import Heartbeat
from chalicelib.worker.job import Ended, Job, Retry, WorkerLimits
from chalicelib.worker.sizing import Requirements, Sizing

log = logging.getLogger("dag.node")


# In the process of a trigger, a result of up to this many bytes is stored with the instance, as without VALUES_URL.
MOST_IN_PLACE = 1024 * 1024


class _CutOff(Exception):
    """This process cannot end the attempt, whose node has not failed. It loses this lease."""


class NodeRunner:
    """Shared by all threads of a worker. Its only state is a cache of handlers that serialize their results."""

    def __init__(
        self,
        *,
        store: Store,
        handlers: Mapping[str, Handler],
        dispatch: Dispatch,
        settler: Settler,
        executor: Executor,
        heartbeat: Heartbeat,
        sizing: Sizing,
        requirements: Requirements,
        vault: Vault,
        offload: Offload,
        tracer: Tracer,
        metrics: Metrics,
        limits: WorkerLimits,
        uniform: Callable[[float, float], float],
        processor: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._serializing: dict[str, tuple[Handler, Handler]] = {}
        self._dispatch = dispatch
        self._settler = settler
        self._executor = executor
        self._heartbeat = heartbeat
        self._sizing = sizing
        self._requirements = requirements
        self._vault = vault
        self._offload = offload
        self._tracer = tracer
        self._metrics = metrics
        self._limits = limits
        self._uniform = uniform
        self._processor = processor
        self._clock = clock

    def run(self, job: Job) -> Ended | Retry | None:
        """Run the node, and return its result, which is to be committed; None if there is none.

        After an error of the store the node's lease runs out, and the sweep sends it again.
        """
        ended = None
        fields = events.fields(job)
        with logs.bound(fields):
            events.started()
            try:
                ended = self._run_traced(job, fields)
            except Unavailable as error:
                best_effort(log.error, "node left to the sweep", extra={"error": failure.message_of(error)})
            except Exception:  # a bug in the engine must not stop the other nodes of the batch
                best_effort(log.exception, "node runner failed")
        if not isinstance(ended, Ended):
            self._heartbeat.release(job.ref.instance_id, job.node, job.attempt)
        return ended

    def _run_traced(self, job: Job, fields: Mapping[str, Any]) -> Ended | Retry | None:
        """Run the attempt in the node's span. If the tracer fails, only the span is lost."""
        block = best_effort(self._tracer.node, job)
        span = best_effort(block.__enter__) if block is not None else None
        if block is None or span is None:
            return self._run_attempt(job, SILENT, fields)
        try:
            ended = self._run_attempt(job, span, fields)
        except BaseException as error:
            best_effort(block.__exit__, type(error), error, error.__traceback__)
            raise
        best_effort(block.__exit__, None, None, None)
        return ended

    def _run_attempt(self, job: Job, span: Span, fields: Mapping[str, Any]) -> Ended | Retry | None:
        started = self._clock()
        redactor = NOTHING
        try:
            secrets = self._vault.read(job.plan.nodes[job.node].secrets)
            redactor = Redactor(secrets.values()) if secrets else NOTHING
            result = self._execute(job, secrets, fields)
            encoded = attempt.encode(result, limit=self._limits.max_result_bytes, redactor=redactor)
            if len(encoded) > self._offload.over and job.in_place is not None:
                # The process of a trigger may not write there. The store takes it, or a worker makes it again.
                if len(encoded) > MOST_IN_PLACE:
                    raise _CutOff(f"a worker has to store its result of {len(encoded):,} bytes")
            elif len(encoded) > self._offload.over:
                outcome = self._store.offload(job.ref.instance_id, node=job.node, attempt=job.attempt)
                if outcome is not Outcome.OPEN:  # the commit would be refused, too
                    events.node(outcome, job, self._clock() - started)
                    return None
                spec = job.plan.nodes[job.node]
                encoded = self._offload.put(job.ref.instance_id, spec.id, job.attempt, encoded)
        except Unavailable:  # the node itself has not failed
            raise
        except _CutOff as cut:
            events.cut_off(job, self._clock() - started, str(cut))
            best_effort(span.failed, "CutOff", str(cut), None)
            return None
        except BaseException as error:
            failed = attempt.describe(error, redactor)
            best_effort(span.failed, failed.type, failed.message, failed.traceback)
            return self._fail(job, failed, self._clock() - started)
        seconds = self._clock() - started
        self._sizing.note(job.plan.nodes[job.node].handler, seconds)
        return Ended(job, encoded, seconds)

    def _execute(self, job: Job, secrets: Mapping[str, str], fields: Mapping[str, Any]) -> Any:
        spec = job.plan.nodes[job.node]
        handler = self._handlers.get(spec.handler)
        if handler is None:
            raise attempt.unknown_handler(spec.handler)
        nodes = job.plan.nodes
        values = {nodes[number].id: json.loads(self._offload.get(value)) for number, value in job.results.items()}
        for number in job.plan.may_lack(job.node):  # these may have failed, and that is ignored
            values.setdefault(nodes[number].id, None)
        params = json.loads(job.params)
        config = attempt.render(handler, spec.config, values | {"params": params, "secrets": secrets})
        own = spec.timeout_seconds or self._limits.default_timeout
        timeout = min(own, max(0.1, job.deadline - self._clock()))
        end = self._clock() + timeout
        context = Context(
            instance_id=job.ref.instance_id,
            execution_id=job.ref.execution_id,
            node_id=spec.id,
            attempt=job.attempt,
            epoch=job.epoch,
            params=params,
            results={
                nodes[number].id: values[nodes[number].id] for number in spec.dependencies if nodes[number].id in values
            },
            time_left=lambda: end - self._clock(),
            wanted=lambda: self._heartbeat.holds(job.ref.instance_id, job.node, job.attempt),
            logger=logs.Bound(log, fields),
            trace_headers=best_effort(self._tracer.headers) or {},
        )
        handler = self._with_serialized_results(handler)
        if handler.instant:
            return self._executor.run(handler, config, context, timeout)
        try:
            return self._executor.run(handler, config, context, timeout)
        except Exception:
            # Any error: a handler that watches `time_left` may raise one of its own in this moment.
            if timeout < own and self._clock() >= end:
                raise _CutOff(f"the invocation ended {own - timeout:.0f} s before the node's own timeout") from None
            raise

    def _with_serialized_results(self, handler: Handler) -> Handler:
        """The handler, with results that it serializes where it runs."""
        known = self._serializing.get(handler.name)
        if known is None or known[0] is not handler:
            serializing = serialization.serializing(handler, limit=self._limits.max_result_bytes)
            known = self._serializing[handler.name] = (handler, self._measuring(serializing))
        return known[1]

    def _measuring(self, handler: Handler) -> Handler:
        """The handler, with its processor time counted if nothing declares whether it waits or computes."""
        if handler.instant or handler.is_async or handler.waits is not None:
            return handler

        def run(*arguments: Any) -> Any:
            begun = self._processor()
            try:
                return handler.function(*arguments)
            finally:
                self._sizing.computed(handler.name, self._processor() - begun)

        return dataclasses.replace(handler, function=run)

    def _fail(self, job: Job, failed: attempt.Failed, seconds: float) -> Retry | None:
        retry = job.plan.nodes[job.node].retry
        delay = retry.delay_ms(job.failures + 1, self._uniform) if failed.retry else None
        items, cursor = self._descendants(job) if delay is None else ([], -1)
        # SQS delays a message by 900 s at most. The sweep sends what is due later.
        send = delay is not None and delay <= MAX_DELAY_MS
        look = (delay or 0) + (self._dispatch.by.resend_ms if send or delay is None else 0)
        done = self._store.fail(
            job.ref.instance_id,
            node=job.node,
            attempt=job.attempt,
            error=failed.encode(),
            delay_ms=delay,
            look_ms=look,
            descendants=Children(items, cursor),
        )
        events.node(done.outcome, job, seconds, error=failed.type, reason=failed.message[:300])
        if done.outcome is Outcome.RETRY and send and delay is not None:
            lost = job.attempt - 1 - job.failures
            if not lost and self._waits_here(job, delay / 1000):
                return Retry(delay / 1000)
            again = Ready(job.node, job.attempt + 1, delay, alone=lost > 0)
            self._dispatch.send(job.ref, job.plan, [again])
        elif done.outcome is Outcome.FAILED:
            handler = job.plan.nodes[job.node].handler
            best_effort(self._metrics.nodes, [NodeEnd(handler, job.attempt, seconds, failed=True)])
            self._settler.settle(job.ref, job.plan, job.node, cursor, failed=True)
            best_effort(self._settler.note_end, job.ref, job.plan, done.status)
        return None

    def _waits_here(self, job: Job, seconds: float) -> bool:
        """Whether this worker makes the next attempt: the queue would be late by up to a second."""
        if job.in_place is not None:
            return False
        longest = self._requirements.longest(job.plan, job.node)
        return seconds <= self._limits.short_wait and self._clock() + seconds + longest < job.deadline

    def _descendants(self, job: Job) -> tuple[list[int], int]:
        """The first slice of the nodes to skip. An ignored failure skips none: settling makes the children ready."""
        return ([], 0) if job.plan.nodes[job.node].ignored else job.plan.skips(job.node)
