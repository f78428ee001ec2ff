"""The application: the parts behind HTTP, built on those of the engine and of the infrastructure.

Each part is a property that is computed, with its imports, when it is first read: so a Lambda function loads only the
parts that it uses. Tests replace a part by assigning to it before it is first read.
"""

from __future__ import annotations

import platform
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib import __version__
from chalicelib.composition.engine import Engine

if TYPE_CHECKING:
    from chalicelib.usecases.admission import Admission
    from chalicelib.usecases.control import Control
    from chalicelib.usecases.forecaster import Forecaster
    from chalicelib.usecases.health import Health
    from chalicelib.usecases.history import History
    from chalicelib.usecases.listing import Listings
    from chalicelib.usecases.request_body import BodyLimits
    from chalicelib.usecases.resolver import Resolver
    from chalicelib.usecases.results import Results
    from chalicelib.usecases.status import Status
    from chalicelib.usecases.submission import Submission
    from chalicelib.usecases.triggering import Triggering


class Application(Engine):
    """Every part of the service, made of its settings."""

    @cached_property
    def submission(self) -> Submission:
        from chalicelib.usecases.submission import Submission

        return Submission(
            store=self.store,
      from chalicelib.usecases.webhooks import Webhooks
    from chalicelib.values.offload import Offload
    from chalicelib.worker.executor import Executor
    from chalicelib.worker.heartbeat import Heartbeat
    from chalicelib.worker.sizing import Sizing
    from chalicelib.worker.worker import Worker
    from scheduler.dead_letters import DeadLetters
    from scheduler.dispatch import InlineDispatch
    from scheduler.scheduler import Scheduler
    from scheduler.sweep import Sweep

OTLP_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
OTLP_SECONDS = 2.0


class Application:
    """Every part of the service, made of `settings`. Tests replace parts by assigning to them before first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients = Clients(settings)
        # What the simulation replaces: seconds that only grow, chance, and (below) threads.
        self.clock = time.monotonic
        self.uniform = random.uniform

    @cached_property
    def parts(self) -> list[Part]:
        """What begins and ends with each invocation, the outermost first."""
        return [logs.invocation, *self.metering.parts, self.tracer.invocation]

    # HTTP

    @cached_property
    def service(self) -> Service:
        from chalicelib.composition import service

        return service.make(self)

    @cached_property
    def control(self) -> Control:
        from chalicelib.composition import service

        return service.make_control(self)

    @cached_property
    def resolver(self) -> Resolver:
        from chalicelib.usecases.resolver import Resolver

        return Resolver(self.store, self.definitions)

    @cached_property
    def listings(self) -> Listings:
        from chalicelib.usecases.listing import Listings

        return Listings(self.catalogue, self.resolver)

    @cached_property
    def history(self) -> History:
        from chalicelib.usecases.history import History

        return History(self.store, self.resolver)

    @cached_property
    def results(self) -> Results:
        from chalicelib.usecases.results import Results

        room = self.settings.max_answer_bytes
        return Results(store=self.store, resolver=self.resolver, offload=self.offload, room=room)

    @cached_property
    def webhooks(self) -> Webhooks:
        from chalicelib.usecases.webhooks import Webhooks

        return Webhooks(self.store, self.definitions, self.dispatch)

    @cached_property
    def forecaster(self) -> Forecaster:
        from chalicelib.composition import forecaster
        from scheduler.scheduler import LIMIT

        return forecaster.make(self, due=LIMIT)

    @cached_property
    def admission(self) -> Admission:
        from chalicelib.core.admission import Ceilings
        from chalicelib.usecases.admission import Admission

        settings = self.settings
        ceilings = Ceilings(
            backlog=settings.max_backlog,
            memory=settings.max_memory_share,
            late=settings.max_late,
            late_ms=round(settings.late_seconds * 1000),
        )
        return Admission(self.store, self.queue, ceilings, clock=self.clock, metrics=self.metrics)

    # the worker

    @cached_property
    def worker(self) -> Worker:
        from chalicelib.composition import worker

        return worker.make(self)

    @cached_property
    def spawn(self) -> Callable[[Callable[[], None]], Callable[[], None]]:
        from chalicelib.worker.run_loop import spawn

        return spawn

    @cached_property
    def executor(self) -> Executor:
        from chalicelib.worker.executor import ThreadExecutor

        return ThreadExecutor()

    @cached_property
    def heartbeat(self) -> Heartbeat:
        from chalicelib.worker.heartbeat import Heartbeat

        return Heartbeat(self.store, lease_ms=round(self.settings.lease_seconds * 1000))

    # what to enqueue, and when

    @cached_property
    def scheduler(self) -> Scheduler:
        from scheduler.scheduler import Scheduler

        return Scheduler(
            self.store,
            self.definitions,
            self.dispatch,
            offload=self.offload,
            call_webhook=lambda instance_id: self.webhooks.tell(instance_id),
            max_lost=self.settings.max_lost,
            tracer=self.tracer,
            metrics=self.metrics,
            clock=self.clock,
        )

    @cached_property
    def sweep(self) -> Sweep:
        from scheduler.sweep import Sweep

        return Sweep(self.store, self.scheduler, clock=self.clock, metrics=self.metrics)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        from scheduler.dead_letters import DeadLetters

        return DeadLetters(
            self.store,
            self.definitions,
            self.dispatch,
            self.scheduler,
            max_lost=self.settings.max_lost,
            metrics=self.metrics,
        )

    @cached_property
    def dispatch(self) -> InlineDispatch:
        from chalicelib.queues.invoker import LambdaInvoker
        from chalicelib.worker.sizing import ROOM
        from scheduler.dispatch import InlineDispatch, LambdaDispatch

        def weight(handler: str) -> int:
            return self.sizing.weight(handler)  # a sweep with nothing to send loads no handlers

        resend_ms = round(self.settings.resend_seconds * 1000)
        if self.settings.scheduling == "inline":
            return InlineDispatch(
                self.queue, resend_ms=resend_ms, weight=weight, room=ROOM, metrics=self.metrics, clock=self.clock
            )
        lambdas = self.clients.signal_later("lambda")
        invoker = LambdaInvoker(lambdas, self.settings.scheduler_function, self.tracer.carrier)
        return LambdaDispatch(self.queue, invoker, resend_ms=resend_ms, weight=weight, room=ROOM)

    # what they share

    @cached_property
    def redis(self) -> Any:
        from chalicelib.store.connection import connect

        return connect(self.settings.redis_url, cluster=self.settings.redis_cluster, login=self.login)

    @cached_property
    def store(self) -> Store:
        from chalicelib.store.redis_store import RedisStore

        settings = self.settings
        store = RedisStore(
            self.redis,
            retention_seconds=settings.retention_seconds,
            workflow_retention_seconds=settings.workflow_retention_seconds,
            idempotency_seconds=settings.idempotency_seconds,
        )
        return self.metering.store(store)

    @cached_property
    def catalogue(self) -> Catalogue:
        from chalicelib.store.catalogue import RedisCatalogue

       handlers=self.handlers,
            admission=self.admission,
            tracer=self.tracer,
            limits=self.body_limits,
        )

    @cached_property
    def triggering(self) -> Triggering:
        from chalicelib.usecases.triggering import Triggering

        return Triggering(
            store=self.store,
            definitions=self.definitions,
            resolver=self.resolver,
            dispatch=self.dispatch,
            settler=self.scheduler,
            admission=self.admission,
            tracer=self.tracer,
            limits=self.body_limits,
        )

    @cached_property
    def status(self) -> Status:
        from chalicelib.usecases.status import Status

        return Status(
            store=self.store,
            definitions=self.definitions,
            resolver=self.resolver,
            forecast_usage=lambda plan: self.forecaster.usage(plan),
            webhooks=self.webhooks,
        )

    @cached_property
    def results(self) -> Results:
        from chalicelib.usecases.results import Results

        room = self.settings.max_answer_bytes
        return Results(store=self.store, resolver=self.resolver, offload=self.offload, room=room)

    @cached_property
    def history(self) -> History:
        from chalicelib.usecases.history import History

        return History(self.store, self.resolver)

    @cached_property
    def listings(self) -> Listings:
        from chalicelib.usecases.listing import Listings

        return Listings(self.catalogue, self.resolver)

    @cached_property
    def control(self) -> Control:
        from chalicelib.usecases.control import Control

        return Control(
            store=self.store,
            resolver=self.resolver,
            dispatch=self.dispatch,
            settler=self.scheduler,
            forecast_usage=lambda plan: self.forecaster.usage(plan),
            webhooks=self.webhooks,
            limits=self.body_limits,
        )

    @cached_property
    def forecaster(self) -> Forecaster:
        from chalicelib.composition import forecaster

        return forecaster.make(
            self.settings,
            resolver=self.resolver,
            handlers=self.handlers,
            requirements=self.requirements,
            limits=self.body_limits,
        )

    @cached_property
    def health(self) -> Health:
        from chalicelib.usecases.health import Health

        versions = {"dag-service": __version__, "python": platform.python_version()}
        return Health(store=self.store, queue=self.queue, admission=self.admission, versions=versions)

    @cached_property
    def admission(self) -> Admission:
        from chalicelib.core.admission import Ceilings
        from chalicelib.usecases.admission import Admission

        settings = self.settings
        ceilings = Ceilings(
            backlog=settings.max_backlog,
            memory=settings.max_memory_share,
            late=settings.max_late,
            late_ms=round(settings.late_seconds * 1000),
        )
        return Admission(self.store, self.queue, ceilings, clock=self.clock, metrics=self.metrics)

    @cached_property
    def resolver(self) -> Resolver:
        from chalicelib.usecases.resolver import Resolver

        return Resolver(self.store, self.definitions)

    @cached_property
    def body_limits(self) -> BodyLimits:
        from chalicelib.usecases.request_body import BodyLimits

        settings = self.settings
        return BodyLimits(body_bytes=settings.max_body_bytes, nodes=settings.max_nodes, depth=settings.max_depth)
