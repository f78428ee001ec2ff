"""The parts that reach out of the process: store, queues, values, secrets, handlers, metrics, traces."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib import logs
from chalicelib.composition.clients import Clients, botocore_session
from chalicelib.errors import BadSettings
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.composition.metering import Unmetered
    from chalicelib.core.handler import Handler
    from chalicelib.invocation import Part
    from chalicelib.metrics.gauges import Gauges
    from chalicelib.metrics.protocol import Metrics
    from chalicelib.queues.protocol import Queue
    from chalicelib.secrets.protocol import SecretSource
    from chalicelib.secrets.vault import Vault
    from chalicelib.store.definitions import Definitions
    from chalicelib.store.login import Login
    from chalicelib.store.protocol import Catalogue, Store
    from chalicelib.tracing.tracer import Tracer
    from chalicelib.values.offload import Offload

OTLP_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
OTLP_SECONDS = 2.0


class Infrastructure:
    """The parts on which all others are built. See root.py for how parts are made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients = Clients(settings)
        # The simulation replaces these: a clock that only goes forward, and chance.
        self.clock = time.monotonic
        self.uniform = random.uniform
        self.sleep: Callable[[float], None] = time.sleep
        self.processor = time.thread_time

    @cached_property
    def parts(self) -> list[Part]:
        """The context managers around each invocation, the outermost first."""
        return [logs.invocation, *self.metering.parts, self.tracer.invocation]

    # the store

    @cached_property
    def redis(self) -> Any:
        from chalicelib.store.connection import connect

        return connect(self.settings.redis_url, cluster=self.settings.redis_cluster, login=self.login)

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

    @cached_property
    def definitions(self) -> Definitions:
        from chalicelib.store.definitions import Definitions

        return Definitions(self.store)

    # the queues

    @cached_property
    def queue(self) -> Queue:
        from chalicelib.queues.sqs import SqsQueue

        queue = SqsQueue(self.clients.signal_later("sqs"), self.settings.queue_url, self.tracer.carrier)
        return self.metering.queue(queue)

    @cached_property
    def dead_letter_queue(self) -> Queue | None:
        """None if the settings do not name it."""
        from chalicelib.queues.sqs import SqsQueue

        url = self.settings.dead_letter_queue_url
        return SqsQueue(self.clients.signal_later("sqs"), url) if url else None

    @cached_property
    def signals(self) -> list[Any]:
        """The clients that send signals after a commit. A function that is sure to send makes them at its start."""
        services = ["sqs"] if self.settings.scheduling == "inline" else ["sqs", "lambda"]
        return [self.clients.signal(service) for service in services]

    # values, secrets, handlers

    @cached_property
    def offload(self) -> Offload:
        from chalicelib.composition import values

        return values.make(self.settings, self.clients)

    @cached_property
    def vault(self) -> Vault:
        from chalicelib.secrets.vault import Vault

        keep_seconds, known = self.settings.secrets_keep_seconds, self.settings.passwords
        return Vault(self._secret_source(), keep_seconds=keep_seconds, clock=self.clock, known=known)

    def _secret_source(self) -> SecretSource:
        from chalicelib.secrets.sources import EnvironmentSecrets, ManagerSecrets, ParameterSecrets

        prefix = self.settings.secrets_prefix
        if self.settings.secrets == "ssm":
            return ParameterSecrets(self.clients.later("ssm"), prefix)
        if self.settings.secrets == "secretsmanager":
            return ManagerSecrets(self.clients.later("secretsmanager"), prefix)
        return EnvironmentSecrets(os.environ, prefix)

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        from chalicelib.handlers.registry import registry

        return registry(self.settings, self.clients.make, lambda setting: self.vault.reveal(setting))

    # metrics and traces

    @cached_property
    def metering(self) -> Unmetered:
        from chalicelib.composition import metering

        # The store and the queue are made with the metering, so the gauges, which read both, can only follow.
        return metering.make(self.settings, clock=self.clock, gauges=lambda: self.gauges)

    @property
    def metrics(self) -> Metrics:
        return self.metering.metrics

    @cached_property
    def gauges(self) -> Gauges:
        from chalicelib.metrics.gauges import Gauges

        return Gauges(self.store, self.catalogue, self.queue, self.dead_letter_queue)

    @cached_property
    def tracer(self) -> Tracer:
        if self.settings.tracing == "otlp":
            try:
                from chalicelib.tracing.otlp import OtlpTracer
            except ImportError as error:
                raise BadSettings([f"TRACING=otlp: it needs the extra `tracing` of pyproject.toml: {error}"]) from error
            # A collector that does not answer must not delay an invocation by the exporter's default of ten seconds.
            given = any(name in os.environ for name in OTLP_TIMEOUTS)
            return OtlpTracer(self.settings.queue_name, timeout_seconds=None if given else OTLP_SECONDS)
        from chalicelib.tracing.tracer import Off

        return Off()
