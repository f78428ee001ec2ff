"""Runs LocalStack with processes as Lambda functions: `python -m tests.cloudformation.executor`, by its own Python.

LocalStack runs each function in a container, which needs Docker and the internet. Here each execution environment is a
process under awslambdaric instead; functions, event source mappings, permissions and API stay LocalStack's own.
FUNCTION_PYTHON is the functions' interpreter, FUNCTION_PROVIDED has what Lambda's runtime brings, and FUNCTION_LOGS is
a folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from localstack.runtime.main import main
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import DockerRuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from local.functions.environment import Environment, FunctionError


class ProcessExecutor(RuntimeExecutor):
    """One execution environment. If its process has ended, it starts another one."""

    def start(self, env_vars: dict[str, Any]) -> None:
        task = str(self.function_version.config.code.get_unzipped_code_location())
        self._variables = {name: str(value) for name, value in env_vars.items()} | {
            "PATH": os.environ["PATH"],
            "LAMBDA_TASK_ROOT": task,
            "PYTHONPATH": f"{task}:{os.environ['FUNCTION_PROVIDED']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._environment = self._begin()

    def _begin(self) -> Environment:
        version = self.function_version
        return Environment(
            [os.environ["FUNCTION_PYTHON"], "-S", "-m", "awslambdaric", version.config.handler],
            directory=version.config.code.get_unzipped_code_location(),
            env=self._variables,
            arn=version.id.unqualified_arn(),
            log=Path(os.environ["FUNCTION_LOGS"]) / f"{version.config.handler}.log",
        )

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        if not self._environment.alive:
            self._environment = self._begin()
        event, seconds = payload["payload"].encode(), self.function_version.config.timeout
        try:
            answer, failed = self._environment.invoke(event, seconds=seconds), False
        except FunctionError as error:
            answer, failed = error.payload, True
        return InvocationResult(payload["invoke-id"], answer, is_error=failed, logs="")

    def stop(self) -> None:
        self._environment.close()

    @classmethod
    def prepare_version(cls, function_version: Any) -> None:
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: Any) -> None: ...

    # The address of LocalStack for functions and of functions for LocalStack: both are on this machine.

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return ""

    def get_logs(self) -> str:
        return ""


if __name__ == "__main__":
    DockerRuntimeExecutorPlugin.load = lambda *_: ProcessExecutor
    main()
