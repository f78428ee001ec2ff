"""`chalice package` as deployment runs it, save for the zip: its dependencies would have to be fetched."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from local.processes import ROOT

# In a process of its own: the routes are made when `app` is imported, as the stage's environment has it then.
_PACKAGE = """
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
    """The CloudFormation that `stage` would be deployed with."""
    return yaml.safe_load(text(stage))


@functools.cache
def text(stage: str) -> str:
    with tempfile.TemporaryDirectory() as out:
        command = ["package", "--stage", stage, "--merge-template", ".chalice/resources.yaml", out]
        environment = {name: value for name, value in os.environ.items() if name != "API_AUTH"}
        done = subprocess.run(
            [sys.executable, "-c", _PACKAGE, *command], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return (Path(out) / "sam.yaml").read_text("utf-8")
