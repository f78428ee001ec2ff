"""The parts of the service. Each imports what it is made of when it is asked for: a function loads no other's."""

from __future__ import annotations

import os
import platform
import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib import __version__, logs
from chalicelib.composition.clients import Clients, botocore_session
from chalicelib.errors import BadSettings
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.composition.metering import Unmetered
    from chalicelib.core.handler import Handler
    from chalicelib.invocation import Part
    from chalicelib.metrics.protocol import Metrics
    from chalicelib.queues.protocol import Queue
    from chalicelib.secrets.protocol import SecretSource
    from chalicelib.secrets.vault import Vault
    from chalicelib.store.definitions import Definitions
    from chalicelib.store.login import Login
    from chalicelib.store.protocol import Catalogue, Store
    from chalicelib.tracing.tracer import Tracer
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
    def submission(self) -> Submission:
        from chalicelib.usecases.submission import Submission

        return Submission(
            store=self.store,
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
            planned=lambda plan: self.forecaster.planned(plan),
            webhooks=self.webhooks,
        )

    @cached_property
    def control(self) -> Control:
        from chalicelib.usecases.control import Control

        return Control(
            store=self.store,
            resolver=self.resolver,
            dispatch=self.dispatch,
            settler=self.scheduler,
            planned=lambda plan: self.forecaster.planned(plan),
            webhooks=self.webhooks,
            limits=self.body_limits,
        )

    @cached_property
    def health(self) -> Health:
        from chalicelib.usecases.health import Health

        versions = {"dag-service": __version__, "python": platform.python_version()}
        return Health(store=self.store, queue=self.queue, admission=self.admission, versions=versions)

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
    def body_limits(self) -> BodyLimits:
        from chalicelib.usecases.request_body import BodyLimits

        settings = self.settings
        return BodyLimits(body_bytes=settings.max_body_bytes, nodes=settings.max_nodes, depth=settings.max_depth)

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
            tell=lambda instance_id: self.webhooks.tell(instance_id),
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

        return RedisCatalogue(self.redis)

    @property
    def login(self) -> Login:
        from chalicelib.store.login import ElastiCacheToken, Login

        settings = self.settings
        token = ElastiCacheToken(
            botocore_session,
            username=settings.redis_username,
            cache_name=settings.redis_cache_name,
            region=settings.aws_region,
            serverless=settings.redis_serverless,
        )
        return Login(
            username=settings.redis_username,
            password=self.vault.reveal(settings.redis_password.get_secret_value()),
            ca_file=settings.redis_tls_ca_file,
            iam=token if settings.redis_auth == "iam" else None,
        )

    @cached_property
    def queue(self) -> Queue:
        from chalicelib.queues.sqs import SqsQueue

        queue = SqsQueue(self.clients.signal_later("sqs"), self.settings.queue_url, self.tracer.carrier)
        return self.metering.queue(queue)

    @cached_property
    def offload(self) -> Offload:
        from chalicelib.composition import values

        return values.make(self)

    @cached_property
    def dead_letter_queue(self) -> Queue | None:
        """None where nobody says which it is."""
        from chalicelib.queues.sqs import SqsQueue

        url = self.settings.dead_letter_queue_url
        return SqsQueue(self.clients.signal_later("sqs"), url) if url else None

    @cached_property
    def metering(self) -> Unmetered:
        from chalicelib.composition import metering

        return metering.make(self)

    @property
    def metrics(self) -> Metrics:
        return self.metering.metrics

    @cached_property
    def tracer(self) -> Tracer:
        if self.settings.tracing == "otlp":
            try:
                from chalicelib.tracing.otlp import OtlpTracer
            except ImportError as error:
                raise BadSettings([f"TRACING=otlp: it needs what requirements-tracing.txt names: {error}"]) from error
            # A collector that is away must not hold an invocation up for the exporter's own ten seconds.
            given = any(name in os.environ for name in OTLP_TIMEOUTS)
            return OtlpTracer(self.settings.queue_name, timeout_seconds=None if given else OTLP_SECONDS)
        from chalicelib.tracing.tracer import Off

        return Off()

    @cached_property
    def signals(self) -> list[Any]:
        """The clients by which a commit is followed: made before they are needed where they surely will be."""
        services = ["sqs"] if self.settings.scheduling == "inline" else ["sqs", "lambda"]
        return [self.clients.signal(service) for service in services]

    @cached_property
    def definitions(self) -> Definitions:
        from chalicelib.store.definitions import Definitions

        return Definitions(self.store)

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        from chalicelib.handlers.registry import registry

        return registry(self.settings, self.clients.make, lambda setting: self.vault.reveal(setting))

    @cached_property
    def sizing(self) -> Sizing:
        from chalicelib.worker.sizing import Sizing

        return Sizing(self.handlers)

    @cached_property
    def vault(self) -> Vault:
        from chalicelib.secrets.vault import Vault

        settings = self.settings
        return Vault(
            self._secret_source(),
            keep_seconds=settings.secrets_keep_seconds,
            clock=self.clock,
            known=settings.passwords,
        )

    def _secret_source(self) -> SecretSource:
        from chalicelib.secrets.sources import EnvironmentSecrets, ManagerSecrets, ParameterSecrets

        prefix = self.settings.secrets_prefix
        if self.settings.secrets == "ssm":
            return ParameterSecrets(self.clients.later("ssm"), prefix)
        if self.settings.secrets == "secretsmanager":
            return ManagerSecrets(self.clients.later("secretsmanager"), prefix)
        return EnvironmentSecrets(os.environ, prefix)
