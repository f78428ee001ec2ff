"""Reads the environment, builds clients, and puts the parts together, each lazily and once."""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING, Literal

from chalicelib import logs
from chalicelib.composition.root import Application
from chalicelib.errors import BadSettings
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.web.origins import Policy

__all__ = ["Application", "api_auth", "application", "callers", "prepare"]

log = logging.getLogger(__name__)

# The parts that a Lambda function needs, by the name of its entry point (`worker` in `app.worker`).
PARTS = {
    "app": ("submission", "triggering", "runs", "status", "results", "health", "signals"),
    "worker": ("worker", "signals"),
    "dead_letters": ("dead_letters",),
    "scheduler": ("scheduler", "handlers", "signals"),
    "sweep": ("sweep",),
}


def api_auth() -> Literal["none", "api_key", "iam"]:
    """Who may call the API. It is read when `app` is imported, by packaging too, long before a client is made."""
    return _settings().api_auth


def callers() -> Policy:
    """The origins and hosts that are allowed, read when `app` is imported, too. A Lambda function allows every host."""
    from chalicelib.web.origins import Policy

    settings = _settings()
    return Policy(None if "_HANDLER" in os.environ else settings.hosts, settings.origins)


@functools.cache
def application() -> Application:
    """The one application of this process, configured by its environment. Raises BadSettings."""
    settings = _settings()
    application = Application(settings)
    logs.configure(settings.log_level, settings.log_format, lambda line: application.vault.redactor.text(line))
    return application


def prepare() -> None:
    """In a Lambda function, make the parts that it needs before its first event: a start gets more CPU than a call.

    This opens no connection. Elsewhere (a local run, packaging) the needed parts are not known, and none is made.
    """
    for part in PARTS.get(os.environ.get("_HANDLER", "").rpartition(".")[2], ()):
        try:
            getattr(application(), part)
        except BadSettings as error:
            raise _refused(error) from None


def _settings() -> Settings:
    try:
        return Settings.from_environment(os.environ)
    except BadSettings as error:
        raise _refused(error) from None


def _refused(error: BadSettings) -> BadSettings:
    """Log the faults, in a Lambda function: Lambda itself logs only a traceback."""
    if "_HANDLER" in os.environ:
        logs.configure("INFO", "json")
        log.error("settings refused", extra={"faults": list(error.faults)})
    return error
