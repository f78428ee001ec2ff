"""Reads the environment, builds clients, and puts the parts together. Everything lazily, once."""

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

# What a function needs, by the name in its entry point (`app.worker`).
PARTS = {
    "app": ("submission", "triggering", "status", "results", "health", "signals"),
    "worker": ("worker", "signals"),
    "dead_letters": ("dead_letters",),
    "scheduler": ("scheduler", "handlers", "signals"),
    "sweep": ("sweep",),
}


def api_auth() -> Literal["none", "api_key", "iam"]:
    """Who may call the API: asked for when `app` is imported, which packaging does too, long before any client."""
    return _settings().api_auth


def callers() -> Policy:
    """Which pages and names may call: asked for when `app` is imported, too. In a Lambda function any name may."""
    from chalicelib.web.origins import Policy

    settings = _settings()
    return Policy(None if "_HANDLER" in os.environ else settings.hosts, settings.origins)


@functools.cache
def application() -> Application:
    """The one application of this process, made of its environment. Raises BadSettings."""
    settings = _settings()
    application = Application(settings)
    logs.configure(settings.log_level, settings.log_format, lambda line: application.vault.redactor.text(line))
    return application


def prepare() -> None:
    """In a Lambda function, make what it needs before its first event: a start has more of a processor than a call.

    Nothing is connected to. Elsewhere (a local run, packaging) there is no saying what will be needed.
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
    """In a Lambda function, the one line of the log that says so: all that Lambda itself tells is in a traceback."""
    if "_HANDLER" in os.environ:
        logs.configure("INFO", "json")
        log.error("settings refused", extra={"faults": list(error.faults)})
    return error
