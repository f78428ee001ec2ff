"""How the forecaster is put together: by the rules of the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.forecast import Engine
from chalicelib.core.rules import Rules
from chalicelib.queues.sqs import MAX_ENTRIES
from chalicelib.usecases.forecaster import Forecaster
from chalicelib.worker import sizing
from chalicelib.worker.committer import MOST
from chalicelib.worker.sizing import Requirements
from chalicelib.worker.worker import DEFAULT_SECONDS, MARGIN_SECONDS

if TYPE_CHECKING:
    from chalicelib.composition.root import Application


def make(app: Application, *, due: int) -> Forecaster:
    """`due`: how many nodes the scheduler takes at a time."""
    settings = app.settings
    requirements = Requirements(app.handlers, default_timeout=settings.default_timeout_seconds)
    rules = Rules(
        inline=settings.scheduling == "inline",
        room=sizing.ROOM,
        batch=MAX_ENTRIES,
        most=MOST,
        due=due,
        hop_seconds=settings.hop_seconds,
        function_seconds=DEFAULT_SECONDS - MARGIN_SECONDS,
        lease_seconds=settings.lease_seconds,
    )
    engine = Engine(
        rules=rules,
        needs=requirements.needs,
        instant=requirements.instant,
        longest=requirements.longest,
        weight=sizing.weight,
    )
    return Forecaster(resolver=app.resolver, handlers=app.handlers, engine=engine, limits=app.body_limits)
