"""A local stack: where its parts are, by the settings that it wrote into DATA_DIR/env, and the sections."""

from __future__ import annotations

import functools
import os
from contextlib import closing
from pathlib import Path
from typing import Any

from chalicelib.settings import Settings
from doctor import given, machine, processes, queue, service, store
from doctor.section import Section
from local import env_file, folder, localstack, queues, valkey
from local.config import Config
from local.processes import ROOT

AGAIN = "make run"


def sections() -> list[Section[Any]]:
    """The sections of the stack of DATA_DIR. If none runs, those that need one are left out."""
    environ = {**os.environ, "ALLOW_PUBLIC": "1"}
    facts = given.gather(environ)
    found: list[Section[Any]] = [Section("settings", lambda: facts, (given.settings,), AGAIN), _machine()]
    if facts.faults:  # with these there is no telling where the stack is
        return found
    config = Config.read(environ)
    ports = {"PORT": config.port, "VALKEY_PORT": valkey.DEFAULT_PORT, "LOCALSTACK_PORT": localstack.DEFAULT_PORT}
    found.append(
        Section(
            "local run",
            lambda: processes.gather(config.data_dir, ports),
            (processes.running, processes.workers, processes.poller, processes.ports),
            "install ps (Debian: apt install procps)",
        )
    )
    return found + (_running(config.data_dir) if folder.holder(config.data_dir) else [])


def _machine() -> Section[Any]:
    facts = functools.partial(machine.gather, ROOT / "requirements.txt")
    return Section("machine", facts, (machine.python, machine.requirements), AGAIN)


def settings() -> Settings:
    """The settings of the stack of DATA_DIR, running or not."""
    data_dir = Config.read({**os.environ, "ALLOW_PUBLIC": "1"}).data_dir
    return Settings.from_environment(env_file.read(data_dir))


def _running(data_dir: Path) -> list[Section[Any]]:
    environment = env_file.read(data_dir)
    settings = Settings.from_environment(environment)
    sweep_seconds = float(environment.get("SWEEP_INTERVAL") or 1)
    base = Config.read({**environment, "ALLOW_PUBLIC": "1"}).base_url
    return [
        Section(
            "health",
            lambda: service.gather(f"{base}/api/health"),
            (service.health, service.load),
            "is `make run` still starting? With `make workers`, `make local-http` serves HTTP",
        ),
        Section(
            "store",
            lambda: store.gather(settings, sweep_seconds=sweep_seconds),
            (
                store.version,
                store.role,
                store.eviction,
                store.persistence,
                store.memory,
                store.refused,
                store.sweep,
            ),
            f"{data_dir}/valkey.log says why, where the store is the embedded one; else see to REDIS_URL",
        ),
        Section(
            "queue",
            lambda: _queue(environment, settings),
            (queue.redrive, queue.visibility, queue.backlog, queue.dead_letters),
            f"{data_dir}/localstack.log says why, where the queue is the embedded one; else see to AWS_ENDPOINT_URL",
        ),
    ]


def _queue(environment: dict[str, str], settings: Settings) -> queue.QueueFacts:
    keys = {
        name.lower(): environment.get(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    }
    sqs = queues.client(settings.aws_endpoint_url, settings.aws_region, read_seconds=5, **keys)
    with closing(sqs):
        return queue.QueueFacts(
            url=settings.queue_url,
            dead_url=settings.dead_letter_queue_url,
            attributes=queue.attributes(sqs, settings.queue_url),
            dead=queue.attributes(sqs, settings.dead_letter_queue_url),
            # A local invocation has no time limit: that a worker is dead shows when its lease is not extended.
            seconds=settings.lease_seconds,
            of="LEASE_SECONDS",
        )
