"""AWS on this machine: LocalStack with CloudFormation, and `python -m deploy` as a user runs it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import localstack
from local.functions import runtime
from local.processes import ROOT, NotReady, spawn, stop, tail, wait_ready
from local.sockets import free_port
from tests.support.servers import client_of, unavailable

PYTHON = ROOT / ".venv-localstack-full" / "bin" / "python"
SERVICES = "apigateway,cloudformation,cloudwatch,ec2,events,iam,lambda,logs,s3,sns,sqs,ssm,sts"
REGION = "us-east-1"


class Cloud:
    """One LocalStack."""

    def __init__(self, url: str, logs: Path) -> None:
        self.url = url
        self.logs = logs

    @functools.cache  # noqa: B019  # as long-lived as the test session
    def client(self, service: str) -> Any:
        return client_of(self.url, service)

    def deploy(self, action: str, *arguments: str) -> str:
        """Return what `python -m deploy` prints. Raises AssertionError with the output if the command fails."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        command = [sys.executable, "-m", "deploy", action, "--stage", "dev", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def outputs(self, name: str) -> dict[str, str]:
        [stack] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


class Api:
    """The deployed API, through API Gateway."""

    def __init__(self, cloud: Cloud, api_id: str, key: str) -> None:
        self._base = f"{cloud.url}/restapis/{api_id}/dev/_user_request_/api"
        self._key = key

    def call(self, path: str, document: Any = None) -> tuple[int, Any]:
        """Return status and JSON of a POST if there is a document, else of a GET."""
        data = None if document is None else json.dumps(document).encode()
        headers = {"X-API-Key": self._key, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._base}{path}", data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Cloud]:
    """Run LocalStack. If its full virtual environment is not installed, the test is skipped, or fails in CI."""
    if not PYTHON.exists():
        unavailable("LocalStack with CloudFormation is not installed: make test-cloudformation")
    provided, logs, port = directory / "provided", directory / "logs", free_port()
    provided.mkdir()
    logs.mkdir()
    environment = localstack.environment(port, directory) | {
        "SERVICES": SERVICES,
        "EAGER_SERVICE_LOADING": "0",
        # The newer engine refuses !Ref RestAPI.Stage, which SAM resolves.
        "PROVIDER_OVERRIDE_CLOUDFORMATION": "engine-legacy",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(directory),
        "FUNCTION_PYTHON": sys.executable,
        "FUNCTION_PROVIDED": str(runtime.provide(provided)),
        "FUNCTION_LOGS": str(logs),
    }
    log = directory / "localstack.log"
    with log.open("ab") as output:
        argv = localstack.command(python=str(PYTHON), module="tests.cloudformation.executor")
        process = spawn(argv, env=environment, output=output)
    try:
        try:
            wait_ready(process, lambda: localstack.is_ready(port), seconds=60, port=port)
        except NotReady as error:
            pytest.fail(f"LocalStack {error}\n" + "\n".join(tail(log)), pytrace=False)
        yield Cloud(localstack.url(port), logs)
    finally:
        stop(process, seconds=0)
