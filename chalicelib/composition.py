"""The composition root: reads the environment, builds clients, and puts the parts together. Everything lazily, once."""

from __future__ import annotations

import functools
import os
import platform
import random
import time
from functools import cached_property
from typing import Any, Literal

from chalicelib import __version__, logs
from chalicelib.core.admission import Ceilings
from chalicelib.handlers.api import Handler
from chalicelib.handlers.registry import registry
from chalicelib.protocols import Queue, SecretSource, Store
from chalicelib.queues.invoker import LambdaInvoker
from chalicelib.queues.sqs import SqsQueue
from chalicelib.secrets.sources import EnvironmentSecrets, ManagerSecrets, ParameterSecrets
from chalicelib.secrets.vault import Vault
from chalicelib.settings import Settings
from chalicelib.store.definitions import Definitions
from chalicelib.store.login import ElastiCacheToken, Login
from chalicelib.store.connection import connect
from chalicelib.store.redis_store import RedisStore
from chalicelib.usecases.gate import Gate
from chalicelib.usecases.service import Limits as BodyLimits
from chalicelib.usecases.service import Service
from chalicelib.worker.crew import Crew, spawn
from chalicelib.worker.executor import Executor, ThreadExecutor
from chalicelib.worker.heart import Heart
from chalicelib.worker.job import Limits
from chalicelib.worker.lane import Lane
from chalicelib.worker.ledger import Ledger
from chalicelib.worker.pace import ROOM, Pace
from chalicelib.worker.traits import Traits
from chalicelib.worker.worker import Worker
from scheduler.dead_letters import DeadLetters
from scheduler.dispatch import InlineDispatch, LambdaDispatch
from scheduler.scheduler import Scheduler
from scheduler.sweep import Sweep


class Application:
    """Every part of the service, made of `settings`. Tests replace parts by assigning to them before first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # What the simulation replaces: seconds that only grow, chance, and threads.
        self.clock = time.monotonic
        self.uniform = random.uniform
        self.spawn = spawn

    @cached_property
    def store(self) -> Store:
        settings = self.settings
        return RedisStore(
            connect(settings.redis_url, cluster=settings.redis_cluster, login=self.login),
            retention_seconds=settings.retention_seconds,
            workflow_retention_seconds=settings.workflow_retention_seconds,
            idempotency_seconds=settings.idempotency_seconds,
        )

    @cached_property
    def queue(self) -> Queue:
        return SqsQueue(functools.cache(lambda: self._signal("sqs")), self.settings.queue_url)

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        return registry(self.settings, self._aws, lambda setting: self.vault.reveal(setting))

    @cached_property
    def definitions(self) -> Definitions:
        return Definitions(self.store)

    @cached_property
    def dispatch(self) -> InlineDispatch:
        resend_ms = round(self.settings.resend_seconds * 1000)
        if self.settings.scheduling == "inline":
            return InlineDispatch(self.queue, resend_ms=resend_ms, cost=self.pace.cost, room=ROOM)
        invoker = LambdaInvoker(functools.cache(lambda: self._signal("lambda")), self.settings.scheduler_function)
        return LambdaDispatch(self.queue, invoker, resend_ms=resend_ms, cost=self.pace.cost, room=ROOM)

    @cached_property
    def scheduler(self) -> Scheduler:
        return Scheduler(self.store, self.definitions, self.dispatch, max_lost=self.settings.max_lost)

    @property
    def scheduler_entry(self) -> Scheduler:
        return self.scheduler

    @cached_property
    def sweep(self) -> Sweep:
        return Sweep(self.store, self.scheduler, clock=self.clock)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        return DeadLetters(self.store, self.definitions, self.dispatch, self.scheduler, max_lost=self.settings.max_lost)

    @cached_property
    def gate(self) -> Gate:
        settings = self.settings
        ceilings = Ceilings(
            backlog=settings.max_backlog,
            memory=settings.max_memory_share,
            late=settings.max_late,
            late_ms=round(settings.late_seconds * 1000),
        )
        return Gate(self.store, self.queue, ceilings, clock=self.clock)

    @cached_property
    def service(self) -> Service:
        settings = self.settings
        return Service(
            store=self.store,
            queue=self.queue,
            definitions=self.definitions,
            dispatch=self.dispatch,
            settler=self.scheduler,
            handlers=self.handlers,
            gate=self.gate,
            limits=BodyLimits(body_bytes=settings.max_body_bytes, nodes=settings.max_nodes, depth=settings.max_depth),
            versions={"dag-service": __version__, "python": platform.python_version()},
        )

    @cached_property
    def vault(self) -> Vault:
        settings = self.settings
        return Vault(
            self._secret_source(),
            keep_seconds=settings.secrets_keep_seconds,
            clock=self.clock,
            known=settings.passwords,
        )

    def _secret_source(self) -> SecretSource:
        prefix = self.settings.secrets_prefix
        if self.settings.secrets == "ssm":
            return ParameterSecrets(functools.cache(lambda: self._aws("ssm")), prefix)
        if self.settings.secrets == "secretsmanager":
            return ManagerSecrets(functools.cache(lambda: self._aws("secretsmanager")), prefix)
        return EnvironmentSecrets(os.environ, prefix)

    @cached_property
    def executor(self) -> Executor:
        return ThreadExecutor()

    @cached_property
    def heart(self) -> Heart:
        return Heart(self.store, lease_ms=round(self.settings.lease_seconds * 1000))

    @cached_property
    def pace(self) -> Pace:
        return Pace(self.handlers)

    @cached_property
    def worker(self) -> Worker:
        settings = self.settings
        limits = Limits(
            default_timeout=settings.default_timeout_seconds,
            hop=settings.hop_seconds,
            max_result_bytes=settings.max_result_bytes,
        )
        traits = Traits(self.handlers, default_timeout=settings.default_timeout_seconds)
        lane = Lane(
            store=self.store,
            handlers=self.handlers,
            dispatch=self.dispatch,
            settler=self.scheduler,
            executor=self.executor,
            heart=self.heart,
            pace=self.pace,
            vault=self.vault,
            limits=limits,
            uniform=self.uniform,
            clock=self.clock,
        )
        ledger = Ledger(
            store=self.store,
            dispatch=self.dispatch,
            settler=self.scheduler,
            heart=self.heart,
            pace=self.pace,
            traits=traits,
            clock=self.clock,
        )
        return Worker(
            store=self.store,
            definitions=self.definitions,
            settler=self.scheduler,
            dispatch=self.dispatch,
            crew=Crew(lane=lane, ledger=ledger, traits=traits, spawn=self.spawn),
            heart=self.heart,
            traits=traits,
            limits=limits,
            clock=self.clock,
        )

    @property
    def login(self) -> Login:
        settings = self.settings
        token = ElastiCacheToken(
            _botocore_session,
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

    def _signal(self, service: str) -> Any:
        """A client for what only signals: what is not taken soon is left to the sweep, and holds nobody up."""
        return self._aws(service, attempts=1, seconds=4)

    def _aws(self, service: str, *, attempts: int = 4, seconds: float = 30) -> Any:
        """A boto3 client. boto3 is imported here and nowhere earlier: it costs a cold start 90 ms."""
        import boto3
        from botocore.config import Config

        config = Config(retries={"mode": "standard", "max_attempts": attempts}, connect_timeout=3, read_timeout=seconds)
        return boto3.client(
            service,
            region_name=self.settings.aws_region,
            endpoint_url=self.settings.aws_endpoint_url,
            config=config,
        )


def api_auth() -> Literal["none", "api_key", "iam"]:
    """Who may call the API: asked for when `app` is imported, which packaging does too, long before any client."""
    return Settings().api_auth  # type: ignore[call-arg]


@functools.cache
def _botocore_session() -> Any:
    import botocore.session

    return botocore.session.get_session()


@functools.cache
def application() -> Application:
    """The one application of this process, made of its environment."""
    settings = Settings()  # type: ignore[call-arg]  # every field has a default; mypy does not see the aliased one's
    application = Application(settings)
    logs.configure(settings.log_level, settings.log_format, lambda line: application.vault.redactor.text(line))
    return application
