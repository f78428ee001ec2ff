"""How a worker is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.worker.crew import Crew
from chalicelib.worker.job import Limits
from chalicelib.worker.lane import Lane
from chalicelib.worker.ledger import Ledger
from chalicelib.worker.traits import Traits
from chalicelib.worker.worker import Worker

if TYPE_CHECKING:
    from chalicelib.composition.root import Application


def make(app: Application) -> Worker:
    settings = app.settings
    limits = Limits(
        default_timeout=settings.default_timeout_seconds,
        hop=settings.hop_seconds,
        max_result_bytes=settings.result_limit,
    )
    traits = Traits(app.handlers, default_timeout=settings.default_timeout_seconds)
    lane = Lane(
        store=app.store,
        handlers=app.handlers,
        dispatch=app.dispatch,
        settler=app.scheduler,
        executor=app.executor,
        heart=app.heart,
        pace=app.pace,
        vault=app.vault,
        depot=app.depot,
        tracer=app.tracer,
        metrics=app.metrics,
        limits=limits,
        uniform=app.uniform,
        clock=app.clock,
    )
    ledger = Ledger(
        store=app.store,
        dispatch=app.dispatch,
        settler=app.scheduler,
        heart=app.heart,
        pace=app.pace,
        traits=traits,
        metrics=app.metrics,
        clock=app.clock,
    )
    return Worker(
        store=app.store,
        definitions=app.definitions,
        settler=app.scheduler,
        dispatch=app.dispatch,
        crew=Crew(lane=lane, ledger=ledger, traits=traits, spawn=app.spawn),
        heart=app.heart,
        traits=traits,
        limits=limits,
        clock=app.clock,
    )
