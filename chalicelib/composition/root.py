"""The application: the parts behind HTTP, built on those of the engine and of the infrastructure.

Each part is a property that is computed, with its imports, when it is first read: so a Lambda function loads only the
parts that it uses. Tests replace a part by assigning to it before it is first read.
"""

from __future__ import annotations

import platform
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib import __version__
from chalicelib.composition.engine import Engine

if TYPE_CHECKING:
    from chalicelib.usecases.admission import Admission
    from chalicelib.usecases.control import Control
    from chalicelib.usecases.forecaster import Forecaster
    from chalicelib.usecases.health import Health
    from chalicelib.usecases.history import History
    from chalicelib.usecases.listing import Listings
    from chalicelib.usecases.request_body import BodyLimits
    from chalicelib.usecases.resolver import Resolver
    from chalicelib.usecases.results import Results
    from chalicelib.usecases.runs import Runs
    from chalicelib.usecases.status import Status
    from chalicelib.usecases.submission import Submission
    from chalicelib.usecases.triggering import Triggering


class Application(Engine):
    """Every part of the service, made of its settings."""

    @cached_property
    def submission(self) -> Submission:
        from chalicelib.usecases.submission import Submission

        return Submission(
            store=self.store,
            handlers=self.handlers,
            admission=self.admission,
            tracer=self.tracer,
            limits=self.body_limits,
        )

    @cached_property
    def triggering(self) -> Triggering:
        from chalicelib.usecases.triggering import Triggering

        return Triggering(
            store=self.store,
            definitions=self.definitions,
            resolver=self.resolver,
            dispatch=self.dispatch,
            settler=self.scheduler,
            first_hop=self.first_hop,
            admission=self.admission,
            tracer=self.tracer,
            limits=self.body_limits,
        )

    @cached_property
    def status(self) -> Status:
        from chalicelib.usecases.status import Status

        return Status(
            store=self.store,
            definitions=self.definitions,
            resolver=self.resolver,
            forecast_usage=lambda plan: self.forecaster.usage(plan),
            webhooks=self.webhooks,
        )

    @cached_property
    def results(self) -> Results:
        from chalicelib.usecases.results import Results

        room = self.settings.max_answer_bytes
        return Results(store=self.store, resolver=self.resolver, offload=self.offload, room=room)

    @cached_property
    def runs(self) -> Runs:
        from chalicelib.usecases.runs import Runs

        return Runs(
            store=self.store,
            resolver=self.resolver,
            triggering=self.triggering,
            results=self.results,
            clock=self.clock,
        )

    @cached_property
    def history(self) -> History:
        from chalicelib.usecases.history import History

        return History(self.store, self.resolver)

    @cached_property
    def listings(self) -> Listings:
        from chalicelib.usecases.listing import Listings

        return Listings(self.catalogue, self.resolver)

    @cached_property
    def control(self) -> Control:
        from chalicelib.usecases.control import Control

        return Control(
            store=self.store,
            resolver=self.resolver,
            dispatch=self.dispatch,
            settler=self.scheduler,
            forecast_usage=lambda plan: self.forecaster.usage(plan),
            webhooks=self.webhooks,
            limits=self.body_limits,
        )

    @cached_property
    def forecaster(self) -> Forecaster:
        from chalicelib.composition import forecaster

        return forecaster.make(
            self.settings,
            resolver=self.resolver,
            handlers=self.handlers,
            requirements=self.requirements,
            limits=self.body_limits,
        )

    @cached_property
    def health(self) -> Health:
        from chalicelib.usecases.health import Health

        versions = {"dag-service": __version__, "python": platform.python_version()}
        return Health(store=self.store, queue=self.queue, admission=self.admission, versions=versions)

    @cached_property
    def admission(self) -> Admission:
        from chalicelib.core.admission import Ceilings
        from chalicelib.usecases.admission import Admission

        settings = self.settings
        ceilings = Ceilings(
            backlog=settings.max_backlog,
            memory=settings.max_memory_share,
            late=settings.max_late,
            late_ms=round(settings.late_seconds * 1000),
        )
        return Admission(self.store, self.queue, ceilings, clock=self.clock, metrics=self.metrics)

    @cached_property
    def resolver(self) -> Resolver:
        from chalicelib.usecases.resolver import Resolver

        return Resolver(self.store, self.definitions)

    @cached_property
    def body_limits(self) -> BodyLimits:
        from chalicelib.usecases.request_body import BodyLimits

        settings = self.settings
        return BodyLimits(body_bytes=settings.max_body_bytes, nodes=settings.max_nodes, depth=settings.max_depth)
