"""How a worker is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.worker.committer import Committer
from chalicelib.worker.job import WorkerLimits
from chalicelib.worker.node_runner import NodeRunner
from chalicelib.worker.run_loop import RunLoop
from chalicelib.worker.sizing import Requirements
from chalicelib.worker.worker import Worker

if TYPE_CHECKING:
    from chalicelib.composition.root import Application


def make(app: Application) -> Worker:
    settings = app.settings
    limits = WorkerLimits(
        default_timeout=settings.default_timeout_seconds,
        hop=settings.hop_seconds,
        max_result_bytes=settings.result_limit,
    )
    requirements = Requirements(app.handlers, default_timeout=settings.default_timeout_seconds)
    runner = NodeRunner(
        store=app.store,
        handlers=app.handlers,
        dispatch=app.dispatch,
        settler=app.scheduler,
        executor=app.executor,
        heartbeat=app.heartbeat,
        sizing=app.sizing,
        vault=app.vault,
        offload=app.offload,
        tracer=app.tracer,
        metrics=app.metrics,
        limits=limits,
        uniform=app.uniform,
        clock=app.clock,
    )
    committer = Committer(
        store=app.store,
        dispatch=app.dispatch,
        settler=app.scheduler,
        heartbeat=app.heartbeat,
        sizing=app.sizing,
        requirements=requirements,
        metrics=app.metrics,
        clock=app.clock,
    )
    return Worker(
        store=app.store,
        definitions=app.definitions,
        settler=app.scheduler,
        dispatch=app.dispatch,
        run_loop=RunLoop(runner=runner, committer=committer, requirements=requirements, spawn=app.spawn),
        heartbeat=app.heartbeat,
        requirements=requirements,
        limits=limits,
        clock=app.clock,
    )
