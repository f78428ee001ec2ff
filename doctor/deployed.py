"""A deployed stage: the AWS clients and the sections. boto3 finds credentials, region and endpoint itself."""

from __future__ import annotations

import contextlib
import datetime
import functools
from typing import Any

from chalicelib.settings import Settings
from doctor import activity, functions, given, parts, queue, service, stack, store
from doctor.findings import Finding, ok
from doctor.functions import Function
from doctor.section import Section

APP = "dag-service"
ALLOWED = "is AWS_PROFILE of the right account, AWS_REGION right, and may it read there (ReadOnlyAccess)?"
QUEUE_CHECKS = (queue.redrive, queue.visibility, queue.encryption, queue.backlog, queue.age, queue.dead_letters)
ACTIVITY_CHECKS = (
    activity.errors,
    activity.throttles,
    activity.sweeps,
    activity.sweep_lag,
    activity.refusals,
    activity.cache,
    activity.alarms,
)


class Account:
    """The clients and facts of one stage, fetched once for all sections that need them."""

    def __init__(self, stage: str) -> None:
        self.name = f"{APP}-{stage}"

    @functools.cache  # noqa: B019  # as long-lived as the program
    def client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(service, config=Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5))

    @functools.cached_property
    def stack(self) -> stack.StackFacts:
        return stack.gather(self.client("cloudformation"), self.name)

    @functools.cached_property
    def functions(self) -> functions.FunctionFacts:
        return functions.gather(self.client("lambda"), self.client("logs"), self.stack)

    @functools.cached_property
    def activity(self) -> activity.ActivityFacts:
        return activity.gather(self.client("cloudwatch"), self.stack, datetime.datetime.now(datetime.UTC))

    def queue(self) -> queue.QueueFacts:
        sqs, urls = self.client("sqs"), [self.stack.physical(name) for name in ("Queue", "DeadLetterQueue")]
        return queue.QueueFacts(
            url=urls[0],
            dead_url=urls[1],
            attributes=queue.attributes(sqs, urls[0]),
            dead=queue.attributes(sqs, urls[1]),
            seconds=self.worker.configuration["Timeout"],
            of="the worker's timeout",
            oldest=self._age("Queue"),
            dead_oldest=self._age("DeadLetterQueue"),
        )

    def _age(self, queue: str) -> float | None:
        """None also if CloudWatch fails, since that is a finding of its own."""
        with contextlib.suppress(Exception):
            return self.activity.most(queue, "ApproximateAgeOfOldestMessage")
        return None

    @property
    def worker(self) -> Function:
        return next(one for one in self.functions.functions if one.logical == "Worker")

    @property
    def settings(self) -> Settings:
        """The worker's settings, with the store's URL. To connect one needs elasticache:Connect, as the worker has."""
        environment = self.worker.configuration.get("Environment", {}).get("Variables", {})
        return Settings.from_environment({**environment, "AWS_REGION": self.client("lambda").meta.region_name})

    def store(self) -> store.StoreFacts | None:
        """None if the store is in a VPC, out of reach for this machine."""
        if self.worker.configuration.get("VpcConfig", {}).get("VpcId"):
            return None
        return store.gather(self.settings, sweep_seconds=60)

    def health(self) -> service.ServiceFacts:
        return service.gather(self.stack.outputs["EndpointURL"].rstrip("/") + "/api/health")


def sections(account: Account) -> list[Section[Any]]:
    return [
        Section(
            "stack",
            lambda: account.stack,
            (stack.status, stack.resources, stack.drift),
            f"{ALLOWED} Else: make deploy STAGE=...",
            vital=True,
        ),
        Section(
            "functions",
            lambda: account.functions,
            (functions.state, functions.concurrency, functions.mappings, functions.logs),
            ALLOWED,
        ),
        Section("settings", lambda: given.gather_deployed(account.functions), (given.settings,), ALLOWED),
        Section("queue", account.queue, QUEUE_CHECKS, ALLOWED),
        Section(
            "sweep schedule",
            lambda: parts.gather_rules(account.client("events"), account.stack),
            (parts.schedule,),
            ALLOWED,
        ),
        Section(
            "cache",
            lambda: parts.gather_caches(account.client("elasticache"), account.stack),
            (parts.cache,),
            ALLOWED,
        ),
        Section(
            "store", account.store, (_store,), "may this profile do elasticache:Connect, as the worker's role may?"
        ),
        Section("activity", lambda: account.activity, ACTIVITY_CHECKS, ALLOWED),
        Section(
            "health", account.health, (service.health, service.load), "the stack's output EndpointURL is where it is"
        ),
    ]


def _store(facts: store.StoreFacts | None) -> list[Finding]:
    if facts is None:
        return [ok("store", "in a VPC, so not asked from here; `sweep lag` tells of it")]
    return [check(facts) for check in (store.version, store.memory, store.refused, store.sweep)]
