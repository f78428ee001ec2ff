"""The parts of Lambda's Python runtime that are not in the zip: awslambdaric, boto3, and reserved variables."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

# Their files in site-packages. A function can import nothing else that is installed here.
PROVIDED = (
    *("awslambdaric", "simplejson", "runtime_client.*.so", "snapshot_restore_py.py"),
    *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3"),
)


def provide(directory: Path) -> Path:
    """Fill the folder with links to the installed packages that Lambda provides."""
    installed = Path(sysconfig.get_path("purelib"))
    for pattern in PROVIDED:
        [found] = installed.glob(pattern)
        (directory / found.name).symlink_to(found)
    return directory


def command(handler: str) -> list[str]:
    """The command that runs a function's `handler`, such as "app.worker". -S hides site-packages."""
    return [sys.executable, "-S", "-m", "awslambdaric", handler]


def variables(
    name: str, handler: str, *, task: Path, provided: Path, megabytes: int, own: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a function: the variables that Lambda reserves, and `own`, which cannot override them."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        **own,
        "_HANDLER": handler,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(megabytes),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LAMBDA_TASK_ROOT": str(task),
        "PYTHONPATH": f"{task}:{provided}",
        "PYTHONDONTWRITEBYTECODE": "1",  # /var/task is read-only
    }
