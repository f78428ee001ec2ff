"""DATA_DIR/env: the settings of a run, for `make local-http`, `make doctor` and others that use its backends."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from local.folder import ENV_FILE

EXPORTED = (
    *("AWS_", "REDIS_", "QUEUE_", "DEAD_", "ALLOW_", "LOG_", "LEASE_", "RESEND_", "LLM_", "BEDROCK_", "HANDLER_"),
    *("METRICS", "PROMETHEUS_", "VALUES_"),
    *("HOST", "PORT", "SWEEP_"),  # where HTTP is served, and from when on a sweep is late: for `make doctor`
)


def write(directory: Path, env: Mapping[str, str]) -> None:
    """Readable by this user only: it may hold the caller's AWS keys."""
    lines = [f"export {name}={shlex.quote(env[name])}\n" for name in sorted(env) if name.startswith(EXPORTED)]
    descriptor = os.open(directory / ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)


def read(directory: Path) -> dict[str, str]:
    """The settings that a run wrote; empty if none ever did."""
    path = directory / ENV_FILE
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    pairs = (shlex.split(line.removeprefix("export "))[0].partition("=") for line in lines)
    return {name: value for name, _, value in pairs}
