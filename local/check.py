"""The check of every setting, before a local run starts any process.

`python -m local.check` imports the handlers as a process of the service would, and prints each fault on a line.
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
# Variables of AWS (one for each service), of its tools and of shells, whose names are close to ours.
FOREIGN = ("AWS_ENDPOINT_URL_", "SECRET_", "EXPORT")


def settings(environ: Mapping[str, str], *, chalice: bool = False) -> tuple[Config, Settings]:
    """The settings of a run. Raises BadSettings with every fault in what the caller set.

    `chalice`: they are for `chalice local`, which uses the backends of another run.
    """
    found: dict[str, str] = {}
    its = {name: value for name, value in environ.items() if name not in ("VALKEY_PORT", "LOCALSTACK_PORT")}
    config = _read(Config, its if chalice else environ, found)
    if config is not None and chalice and ":" in config.host:
        says = "`chalice local` knows no IPv6: take 127.0.0.1, or `make run`, which does"
        found["HOST"] = faults.line(Config, "host", config.host, says)
    # The children's environment, with their own defaults and the addresses of the backends.
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
    """A line for each variable whose name looks like a misspelt setting."""
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
    """Add the faults of settings that this machine cannot fulfil."""
    ca_file = service.redis_tls_ca_file
    if ca_file and not os.access(ca_file, os.R_OK):
        says = "this file cannot be read: name one with the certificates to trust, in PEM"
        found["REDIS_TLS_CA_FILE"] = faults.line(Settings, "redis_tls_ca_file", ca_file, says)
    if service.values_url.startswith("file:"):
        reason = why_not_writable(Path(unquote(urlsplit(service.values_url).path)))
        if reason:
            found["VALUES_URL"] = faults.line(Settings, "values_url", service.values_url, reason)
    if service.tracing == "otlp" and importlib.util.find_spec("opentelemetry") is None:
        says = "it needs the extra `tracing` of pyproject.toml: .venv/bin/pip install -e '.[tracing]'"
        found["TRACING"] = faults.line(Settings, "tracing", service.tracing, says)
    if service.scheduling == "lambda" and not service.scheduler_function:
        says = "it needs SCHEDULER_FUNCTION, which a local run has none of: leave it out"
        found["SCHEDULING"] = faults.line(Settings, "scheduling", service.scheduling, says)


def _imported(environment: Mapping[str, str]) -> list[str]:
    """The faults of the handler modules, imported in a separate process because importing them may do anything."""
    command = [sys.executable, "-m", "local.check"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return [f"HANDLER_MODULES: importing them takes more than {IMPORT_SECONDS} s: a module must not wait then"]
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
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for faults alone
            registry(Settings.from_environment(named), lambda service: None)
    except BadSettings as error:
        print("\n".join(error.faults), flush=True)
        os._exit(1)  # even if a module has started threads
    os._exit(0)


if __name__ == "__main__":
    main()
