"""Spans through the OpenTelemetry SDK, exported as OTLP over HTTP. Its own settings are the standard OTEL_* variables.

The ids of the first span of a workflow or instance are derived from the id of that workflow or instance. So the trace
follows from the id, and every process knows the parent of a node's span: a message that the sweep sent again, or that
lost its attributes, joins the same trace.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from chalicelib import __version__
from chalicelib.tracing.tracer import Attempt, Span

if TYPE_CHECKING:
    from chalicelib.core.work import Ref
    from chalicelib.invocation import Invocation

# After a collector did not answer, which costs one invocation the exporter's timeout, no export is tried for this long.
PAUSE_SECONDS = 30.0

_UNNAMED = "unknown_service"
_W3C = TraceContextTextMapPropagator()

log = logging.getLogger(__name__)


def ids_of(id: str) -> tuple[int, int]:
    """The ids of the trace and the first span of a workflow or instance: its 30 digits and `00`, and its last 16."""
    digits = id[3:]
    return int(digits + "00", 16), int(digits[-16:], 16)


class OtlpTracer:
    """See tracer.Tracer."""

    def __init__(self, queue_name: str, *, timeout_seconds: float | None) -> None:
        """An export takes at most `timeout_seconds`; None leaves it to OTEL_EXPORTER_OTLP_TIMEOUT."""
        self._queue_name = queue_name
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME, "")).startswith(_UNNAMED):
            resource = resource.merge(Resource({SERVICE_NAME: "dag-service"}))
        self._ids = _Ids()
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(_PausingExporter(OTLPSpanExporter(timeout=timeout_seconds)))
        )
        self._tracer = self._provider.get_tracer("dag-service", __version__)

    @contextmanager
    def invocation(self, current: Invocation) -> Iterator[None]:
        token = contexts.attach(_W3C.extract(getattr(current.event, "headers", None) or {}))
        try:
            yield
        finally:
            contexts.detach(token)
            self._provider.force_flush()

    def submit(self, execution_id: str, *, again: bool) -> AbstractContextManager[Span]:
        return self._first(execution_id, "submit", _current(), {"dag.execution_id": execution_id}, again=again)

    def trigger(self, ref: Ref, *, again: bool) -> AbstractContextManager[Span]:
        links = [Link(self._first_of(ref.execution_id)), *_current()]
        attributes = {"dag.instance_id": ref.instance_id, "dag.execution_id": ref.execution_id}
        return self._first(ref.instance_id, "trigger", links, attributes, again=again)

    def schedule(self, instance_id: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        parent = self._parent(instance_id, carrier)
        return self._span("schedule", parent, SpanKind.CONSUMER, {"dag.instance_id": instance_id})

    def node(self, attempt: Attempt) -> AbstractContextManager[Span]:
        spec, delivery = attempt.plan.nodes[attempt.node], attempt.delivery
        attributes: dict[str, str | int] = {
            "dag.instance_id": attempt.ref.instance_id,
            "dag.execution_id": attempt.ref.execution_id,
            "dag.node.id": spec.id,
            "dag.handler": spec.handler,
            "dag.attempt": attempt.attempt,
        }
        kind = SpanKind.INTERNAL
        if delivery is not None and not attempt.hop:
            kind = SpanKind.CONSUMER
            attributes |= {
                "messaging.system": "aws_sqs",
                "messaging.destination.name": self._queue_name,
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.message.id": delivery.message_id,
            }
            if delivery.waited_ms is not None:
                attributes["dag.queue_ms"] = delivery.waited_ms
        parent = self._parent(attempt.ref.instance_id, delivery.carrier if delivery else {})
        return self._span(f"node {spec.handler}", parent, kind, attributes)

    def carrier(self, instance_id: str) -> Mapping[str, str]:
        return _w3c(self._first_of(instance_id))

    def headers(self) -> Mapping[str, str]:
        return _w3c(trace.get_current_span().get_span_context())

    def _first(
        self, id: str, name: str, links: Sequence[Link], attributes: Attributes, *, again: bool
    ) -> AbstractContextManager[Span]:
        if again:  # the first request's span has these ids; this one becomes its child, like the nodes
            return self._span(name, _remote(self._first_of(id)), SpanKind.SERVER, attributes, links)
        with self._ids.chosen(*ids_of(id)):
            span = self._tracer.start_span(name, Context(), SpanKind.SERVER, attributes, links)
        return _running(span)

    def _span(
        self, name: str, parent: Context, kind: SpanKind, attributes: Attributes, links: Sequence[Link] = ()
    ) -> AbstractContextManager[Span]:
        return _running(self._tracer.start_span(name, parent, kind, attributes, links))

    def _parent(self, instance_id: str, carrier: Mapping[str, str]) -> Context:
        """The span in the carrier; if there is none, that of the trigger."""
        parent = _W3C.extract(carrier, Context())
        return parent if trace.get_current_span(parent).get_span_context().is_valid else self._derived(instance_id)

    def _derived(self, instance_id: str) -> Context:
        return _remote(self._first_of(instance_id))

    def _first_of(self, id: str) -> SpanContext:
        """The first span. It is sampled if the current span of its trace is, else as the sampler decides everywhere."""
        trace_id, span_id = ids_of(id)
        current = trace.get_current_span().get_span_context()
        if current.trace_id == trace_id:
            sampled = current.trace_flags.sampled
        else:
            decision = self._provider.sampler.should_sample(Context(), trace_id, "trigger").decision
            sampled = decision is not Decision.DROP
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(sampled)))


class _Ids(RandomIdGenerator):
    """Random ids, except for a span with chosen ones."""

    def __init__(self) -> None:
        self._chosen: ContextVar[tuple[int, int] | None] = ContextVar("span ids", default=None)

    @contextmanager
    def chosen(self, trace_id: int, span_id: int) -> Iterator[None]:
        token = self._chosen.set((trace_id, span_id))
        try:
            yield
        finally:
            self._chosen.reset(token)

    def generate_trace_id(self) -> int:
        chosen = self._chosen.get()
        return chosen[0] if chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        chosen = self._chosen.get()
        return chosen[1] if chosen else super().generate_span_id()


class _PausingExporter(SpanExporter):
    """Drops spans for a while after a failed export: tracing must not slow down the service."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if time.monotonic() < self._until:
            return SpanExportResult.FAILURE
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._until = time.monotonic() + PAUSE_SECONDS
            log.warning("spans not exported", extra={"spans": len(spans), "pause_seconds": PAUSE_SECONDS})
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class _RunningSpan:
    """See tracer.Span."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def failed(self, type: str, message: str, traceback: str | None) -> None:
        details = {"exception.type": type, "exception.message": message, "exception.stacktrace": traceback or ""}
        self._span.add_event("exception", details)
        self._span.set_attribute("error.type", type)
        self._span.set_status(Status(StatusCode.ERROR, f"{type}: {message}"[:300]))


@contextmanager
def _running(span: trace.Span) -> Iterator[Span]:
    """Make the span the current one until the end of the block."""
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        running = _RunningSpan(span)
        try:
            yield running
        except BaseException as error:
            # Without its text, which may hold secrets: the log has it, masked.
            running.failed(type(error).__name__, "", None)
            raise


def _current() -> list[Link]:
    current = trace.get_current_span().get_span_context()
    return [Link(current)] if current.is_valid else []


def _remote(span: SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())


def _w3c(span: SpanContext) -> Mapping[str, str]:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, _remote(span))
    return carrier
