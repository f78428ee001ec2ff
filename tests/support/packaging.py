"""`chalice package` as in a deployment: all of it, or without the zip if only the template matters."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import yaml

from local import package

# In a process of its own, since importing `app` makes the routes by the stage's environment.
_WITHOUT_ZIP = """
import sys
from chalice.cli import main
from chalice.deploy.packager import LambdaDeploymentPackager

def empty(self, project_dir, python_version):
    path = sys.argv[-1] + "/empty.zip"
    open(path, "wb").close()
    return path

LambdaDeploymentPackager.create_deployment_package = empty
main()
"""


@functools.cache
def template(stage: str) -> dict[str, Any]:
    """Return the CloudFormation template with which `stage` would be deployed."""
    made: dict[str, Any] = yaml.safe_load(text(stage))
    return made


@functools.cache
def text(stage: str) -> str:
    with tempfile.TemporaryDirectory() as out:
        package.generate(stage, Path(out), program=("-c", _WITHOUT_ZIP))
        return (Path(out) / package.TEMPLATE).read_text("utf-8")
