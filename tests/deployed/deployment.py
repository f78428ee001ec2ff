"""The service as it is deployed: the zip's functions in processes of their own, behind imitations of AWS's services."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import package, queues
from local.functions import runtime
from local.functions.endpoint import Endpoint
from local.functions.environment import Environment
from local.functions.function import Function
from local.functions.template import Template
from local.mapping import EventSourceMapping
from tests.deployed.gateway import Gateway
from tests.support.servers import client_of

STAGE = "dev"
POLLERS = 2  # for each queue
STACK = f"dag-service-{STAGE}"


@dataclass(frozen=True, slots=True)
class Packaged:
    """The output of `chalice package`, with the zip unpacked in `task`, and what Lambda provides besides."""

    archive: Path
    template: Mapping[str, Any]
    task: Path
    provided: Path


def packaged(directory: Path) -> Packaged:
    archive = package.package(STAGE, directory)
    task, provided = directory / "task", directory / "provided"
    provided.mkdir()
    package.unpack(archive, task)
    template = yaml.safe_load((directory / package.TEMPLATE).read_text("utf-8"))
    return Packaged(archive, template, task, runtime.provide(provided))


@dataclass(frozen=True, slots=True)
class Deployment:
    """Functions by their logical ids in the template."""

    gateway: Gateway
    queue: queues.QueueUrls
    sqs: Any
    functions: Mapping[str, Function]
    variables: Mapping[str, dict[str, str]]
    logs: Path

    def log(self, function: str) -> str:
        return (self.logs / f"{function}.log").read_text("utf-8")

    @contextlib.contextmanager
    def configured(self, function: str, *, timeout_seconds: float | None = None, **variables: str) -> Iterator[None]:
        """Use other settings for a while. As with Lambda, processes with the former ones are not used again."""
        target, own = self.functions[function], self.variables[function]
        before, former_seconds = dict(own), target.timeout_seconds
        own |= variables
        target.timeout_seconds = timeout_seconds or former_seconds
        target.retire()
        try:
            yield
        finally:
            own.clear()
            own |= before
            target.timeout_seconds = former_seconds
            target.retire()

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """For a while, let the queue give up a message that failed twice, instead of five times."""
        name, url = "RedrivePolicy", self.queue.queue
        before = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
        policy = json.loads(before[name]) | {"maxReceiveCount": 2}
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={name: json.dumps(policy)})
        yield
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes=before)

    def sweep(self) -> dict[str, int]:
        """Do what EventBridge does every minute. Returns what the sweep did."""
        event = {
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": "2026-11-24T00:00:00Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:events:us-east-1:000000000000:rule/{STACK}-Sweep"],
            "detail": {},
            "version": "0",
        }
        swept: dict[str, int] = self.functions["Sweep"](event)
        return swept

    def submit(self, workflow: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> str:
        """Submit and trigger a workflow over HTTP. Returns the instance_id."""
        submitted = self.gateway.post("/api/workflow", workflow)
        assert submitted.status == 201, submitted.body
        triggered = self.gateway.post(
            f"/api/workflow/trigger/{submitted.json['execution_id']}", params and {"params": params}
        )
        assert triggered.status == 202, triggered.body
        return str(triggered.json["instance_id"])

    def status(self, instance_id: str) -> dict[str, Any]:
        answer = self.gateway.get(f"/api/workflows/{instance_id}")
        assert answer.status == 200, answer.body
        view: dict[str, Any] = answer.json
        return view

    def results(self, instance_id: str) -> dict[str, Any]:
        answer = self.gateway.get(f"/api/workflows/{instance_id}/results")
        assert answer.status == 200, answer.body
        view: dict[str, Any] = answer.json
        return view


@contextlib.contextmanager
def deployed(made: Packaged, directory: Path, *, redis_url: str, endpoint_url: str) -> Iterator[Deployment]:
    """Run the stack of the template on the Redis and the SQS of these URLs. The functions' logs are in `directory`."""
    with contextlib.ExitStack() as exits:
        sqs = exits.enter_context(contextlib.closing(client_of(endpoint_url, "sqs")))
        urls = queues.ensure(sqs, f"{STACK}-{uuid.uuid4().hex[:8]}", visibility_seconds=1)
        by_name: dict[str, Function] = {}
        endpoint = Endpoint(by_name)
        exits.callback(endpoint.close)
        names = {name: f"{STACK}-{name}" for name in made.template["Resources"]}
        names |= {"Queue": urls.queue, "DeadLetterQueue": urls.dead_letters, "AWS::StackName": STACK}
        names["Values"] = _bucket(endpoint_url)
        template = Template(made.template, parameters={"RedisUrl": redis_url}, names=names)
        aws = {
            "AWS_ENDPOINT_URL_SQS": endpoint_url,
            "AWS_ENDPOINT_URL_S3": endpoint_url,
            "AWS_ENDPOINT_URL_LAMBDA": endpoint.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        functions, variables = {}, {}
        for name, properties in template.functions.items():
            variables[name] = properties["Environment"]["Variables"] | aws
            start = functools.partial(_start, made, names[name], properties, variables[name], directory / f"{name}.log")
            functions[name] = by_name[names[name]] = Function(
                names[name], start, timeout_seconds=properties["Timeout"], concurrency=POLLERS
            )
            exits.callback(functions[name].close)
        sources = [
            EventSourceMapping(sqs, url, functions[name], name=names[name], wait_seconds=1)
            for name, url in (("Worker", urls.queue), ("DeadLetters", urls.dead_letters))
            for _ in range(POLLERS)
        ]
        threads = [threading.Thread(target=source.run, daemon=True, name="mapping") for source in sources]
        for thread in threads:
            exits.callback(thread.join, 10)
            thread.start()
        for source in sources:
            exits.callback(source.stop, seconds=10)
        gateway = Gateway(template.resources["RestAPI"], functions["APIHandler"], stage=STAGE)
        yield Deployment(gateway, urls, sqs, functions, variables, directory)


def _bucket(endpoint_url: str) -> str:
    name = f"{STACK}-values-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(client_of(endpoint_url, "s3")) as s3:
        s3.create_bucket(Bucket=name)
    return name


def _start(made: Packaged, name: str, properties: Mapping[str, Any], own: Mapping[str, str], log: Path) -> Environment:
    handler = properties["Handler"]
    env = runtime.variables(
        name, handler, task=made.task, provided=made.provided, megabytes=properties["MemorySize"], own=own
    )
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    return Environment(runtime.command(handler), directory=made.task, env=env, arn=arn, log=log)
