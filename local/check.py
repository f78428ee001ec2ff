"""Whether a local run can start at all: every setting, before any process is started.

`python -m local.check` tries what a process of the service would import, and prints a fault a line.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import unquote, urlsplit

from chalicelib import faults
from chalicelib.errors import BadSettings
from chalicelib.settings import Settings
from local.config import Config, child_environment, why_not_writable
from local.processes import ROOT

Model = TypeVar("Model", Config, Settings)
IMPORT_SECONDS = 60
# AWS's own, one a service; what its tools and a shell set that is nearly one of ours.
FOREIGN = ("AWS_ENDPOINT_URL_", "SECRET_", "EXPORT")


def settings(environ: Mapping[str, str], *, chalice: bool = False) -> tuple[Config, Settings]:
    """What a run goes by. Raises BadSettings, with every fault of what the caller set.

    `chalice`: for `chalice local` beside a run, on that one's servers.
    """
    found: dict[str, str] = {}
    its = {name: value for name, value in environ.items() if name not in ("VALKEY_PORT", "LOCALSTACK_PORT")}
    config = _read(Config, its if chalice else environ, found)
    if config is not None and chalice and ":" in config.host:
        says = "`chalice local` knows no IPv6: take 127.0.0.1, or `make run`, which does"
        found["HOST"] = faults.line(Config, "host", config.host, says)
    # As the children will see it: they get defaults of their own, and where the servers are.
    redis_url, endpoint = environ.get("REDIS_URL", "").strip(), environ.get("AWS_ENDPOINT_URL", "").strip()
    made = child_environment(environ, redis_url=redis_url, endpoint_url=endpoint)
    service = _read(Settings, made, found)
    if service is not None:
        _here(service, found)
    if made.get("HANDLER_MODULES") and "HANDLER_MODULES" not in found:
        found |= {line: line for line in _imported(made)}
    if found or config is None or service is None:
        raise BadSettings(found.values())
    return config, service


def slips(environ: Mapping[str, str]) -> list[str]:
    """A line for each variable that seems to be meant for a setting, and is none."""
    known = {name.upper() for model in (Config, Settings) for name in model.model_fields}
    return faults.slips(environ, known, but=(environ.get("SECRETS_PREFIX") or "SECRET_", *FOREIGN))


def _read(model: type[Model], environ: Mapping[str, str], found: dict[str, str]) -> Model | None:
    try:
        return model.from_environment(environ)
    except BadSettings as error:
        for line in error.faults:
            found[line.partition("=")[0]] = line
    return None


def _here(service: Settings, found: dict[str, str]) -> None:
    """What this machine must have for them."""
    ca_file = service.redis_tls_ca_file
    if ca_file and not os.access(ca_file, os.R_OK):
        says = "this file cannot be read: name one with the certificates to trust, in PEM"
        found["REDIS_TLS_CA_FILE"] = faults.line(Settings, "redis_tls_ca_file", ca_file, says)
    if service.values_url.startswith("file:"):
        reason = why_not_writable(Path(unquote(urlsplit(service.values_url).path)))
        if reason:
            found["VALUES_URL"] = faults.line(Settings, "values_url", service.values_url, reason)
    if service.tracing == "otlp" and importlib.util.find_spec("opentelemetry") is None:
        says = "it needs what requirements-tracing.txt names: .venv/bin/pip install -r requirements-tracing.txt"
        found["TRACING"] = faults.line(Settings, "tracing", service.tracing, says)
    if service.scheduling == "lambda" and not service.scheduler_function:
        says = "it needs SCHEDULER_FUNCTION, which a local run has none of: leave it out"
        found["SCHEDULING"] = faults.line(Settings, "scheduling", service.scheduling, says)


def _imported(environment: Mapping[str, str]) -> list[str]:
    """What is wrong with the handlers. In a process of its own, since whatever they do when imported is done there."""
    command = [sys.executable, "-m", "local.check"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return [f"HANDLER_MODULES: they are not imported within {IMPORT_SECONDS} s: whatever waits there, must not"]
    if done.returncode == 0:
        return []
    last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
    return done.stdout.splitlines() or [
        f"HANDLER_MODULES: importing them ends the process (exit code {done.returncode}): {last}"
    ]


def main() -> NoReturn:
    from chalicelib.handlers.registry import registry

    named = {"HANDLER_MODULES": os.environ["HANDLER_MODULES"]}
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the modules print is no fault
            registry(Settings.from_environment(named), lambda service: None)
    except BadSettings as error:
        print("\n".join(error.faults), flush=True)
        os._exit(1)  # whatever threads a module has started
    os._exit(0)


if __name__ == "__main__":
    main()
