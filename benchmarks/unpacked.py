"""The packaged app, unpacked: its functions start as processes of their own under awslambdaric, as on Lambda."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import package
from local.functions import runtime
from local.functions.environment import Environment
from local.functions.template import Template

STAGE = "dev"


def packaged(directory: Path) -> Path:
    """Package this version of the app into `directory`."""
    package.package(STAGE, directory)
    return directory


@dataclass(frozen=True, slots=True)
class Zip:
    """`functions` has their properties in the template, by logical id."""

    name: str
    task: Path
    provided: Path
    functions: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, made: Path, into: Path, *, redis_url: str) -> Zip:
        """Unpack what `make package` put into `made`."""
        task, provided = into / "task", into / "provided"
        provided.mkdir(parents=True)
        package.unpack(made / package.ARCHIVE, task)
        document = yaml.safe_load((made / package.TEMPLATE).read_text("utf-8"))
        names = {name: name for name in document["Resources"]} | {"AWS::StackName": "dag-service"}
        template = Template(document, parameters={"RedisUrl": redis_url}, names=names)
        return cls(made.name, task, runtime.provide(provided), template.functions)

    def megabytes(self, function: str) -> int:
        """The memory that the template gives the function."""
        return int(self.functions[function]["MemorySize"])

    def start(self, function: str, own: Mapping[str, str], log: Path = Path(os.devnull)) -> Environment:
        """Start the function, with `own` variables besides the template's. Its output is appended to `log`."""
        properties = self.functions[function]
        handler, variables = properties["Handler"], properties["Environment"]["Variables"] | own
        env = runtime.variables(
            function,
            handler,
            task=self.task,
            provided=self.provided,
            megabytes=self.megabytes(function),
            own=variables,
        )
        return Environment(runtime.command(handler), directory=self.task, env=env, arn="arn", log=log)
