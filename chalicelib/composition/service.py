"""How the use cases behind HTTP are put together."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from chalicelib import __version__
from chalicelib.usecases.control import Control
from chalicelib.usecases.request_body import BodyLimits
from chalicelib.usecases.service import Service

if TYPE_CHECKING:
    from chalicelib.composition.root import Application


def make(app: Application) -> Service:
    """Submit, trigger, status, results, health."""
    return Service(
        store=app.store,
        queue=app.queue,
        definitions=app.definitions,
        resolver=app.resolver,
        dispatch=app.dispatch,
        settler=app.scheduler,
        handlers=app.handlers,
        admission=app.admission,
        tracer=app.tracer,
        planned=lambda plan: app.forecaster.planned(plan),
        webhooks=app.webhooks,
        results=app.results,
        limits=limits(app),
        versions={"dag-service": __version__, "python": platform.python_version()},
    )


def make_control(app: Application) -> Control:
    return Control(
        store=app.store,
        resolver=app.resolver,
        dispatch=app.dispatch,
        settler=app.scheduler,
        planned=lambda plan: app.forecaster.planned(plan),
        webhooks=app.webhooks,
        limits=limits(app),
    )


def limits(app: Application) -> BodyLimits:
    settings = app.settings
    return BodyLimits(body_bytes=settings.max_body_bytes, nodes=settings.max_nodes, depth=settings.max_depth)
