"""The parts that run instances: scheduler, sweep, dispatch, webhooks and the worker with its parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.composition.infrastructure import Infrastructure

if TYPE_CHECKING:
    from chalicelib.scheduling import FirstHop
    from chalicelib.usecases.webhooks import Webhooks
    from chalicelib.worker.claimer import Claimer
    from chalicelib.worker.committer import Committer
    from chalicelib.worker.executor import Executor
    from chalicelib.worker.heartbeat import Heartbeat
    from chalicelib.worker.job import WorkerLimits
    from chalicelib.worker.node_runner import NodeRunner
    from chalicelib.worker.run_loop import RunLoop
    from chalicelib.worker.sizing import Requirements, Sizing
    from chalicelib.worker.worker import Worker
    from scheduler.dead_letters import DeadLetters
    from scheduler.dispatch import InlineDispatch
    from scheduler.scheduler import Scheduler
    from scheduler.sweep import Sweep


class Engine(Infrastructure):
    """The parts that run instances. See root.py for how parts are made."""

    # the scheduler

    @cached_property
    def scheduler(self) -> Scheduler:
        from scheduler.scheduler import Scheduler

        return Scheduler(
            self.store,
            self.definitions,
            self.dispatch,
            offload=self.offload,
            call_webhook=lambda instance_id: self.webhooks.tell(instance_id),
            max_lost=self.settings.max_lost,
            tracer=self.tracer,
            metrics=self.metrics,
            clock=self.clock,
        )

    @cached_property
    def sweep(self) -> Sweep:
        from scheduler.sweep import Sweep

        return Sweep(self.store, self.scheduler, clock=self.clock, metrics=self.metrics)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        from scheduler.dead_letters import DeadLetters

        return DeadLetters(
            self.store,
            self.definitions,
            self.dispatch,
            self.scheduler,
            max_lost=self.settings.max_lost,
            metrics=self.metrics,
        )

    @cached_property
    def dispatch(self) -> InlineDispatch:
        from chalicelib.core.weight import ROOM
        from chalicelib.queues.invoker import LambdaInvoker
        from scheduler.dispatch import InlineDispatch, LambdaDispatch

        def weight(handler: str) -> int:
            return self.sizing.size(handler)  # looked up late: a sweep with nothing to send loads no handlers

        resend_ms = round(self.settings.resend_seconds * 1000)
        if self.settings.scheduling == "inline":
            return InlineDispatch(
                self.queue, resend_ms=resend_ms, weight=weight, room=ROOM, metrics=self.metrics, clock=self.clock
            )
        lambdas = self.clients.signal_later("lambda")
        invoker = LambdaInvoker(lambdas, self.settings.scheduler_function, self.tracer.carrier)
        return LambdaDispatch(self.queue, invoker, resend_ms=resend_ms, weight=weight, room=ROOM)

    @cached_property
    def webhooks(self) -> Webhooks:
        from chalicelib.usecases.webhooks import Webhooks

        return Webhooks(self.store, self.definitions, self.dispatch)

    # the worker

    @cached_property
    def worker(self) -> Worker:
        from chalicelib.worker.worker import Worker

        return Worker(
            definitions=self.definitions,
            settler=self.scheduler,
            dispatch=self.dispatch,
            run_loop=self.run_loop,
            claimer=self.claimer,
            requirements=self.requirements,
            clock=self.clock,
        )

    @cached_property
    def first_hop(self) -> FirstHop:
        from chalicelib.core.weight import FIRST_HOP_NODES
        from chalicelib.worker.first_hop import InlineFirstHop, NoFirstHop

        seconds = self.settings.first_hop_seconds
        if not seconds:
            return NoFirstHop()
        return InlineFirstHop(
            claimer=self.claimer,
            # Each hop has a committer of its own: no other thread commits its nodes, so it knows what they leave.
            run_loop=lambda: self._run_loop(self._committer()),
            requirements=self.requirements,
            seconds=seconds,
            nodes=FIRST_HOP_NODES,
            large=self.settings.large_result_bytes,
            clock=self.clock,
        )

    @cached_property
    def run_loop(self) -> RunLoop:
        return self._run_loop(self.committer)

    def _run_loop(self, committer: Committer) -> RunLoop:
        from chalicelib.worker.run_loop import RunLoop

        return RunLoop(
            runner=self.node_runner,
            committer=committer,
            claimer=self.claimer,
            requirements=self.requirements,
            spawn=self.spawn,
            sleep=self.sleep,
        )

    @cached_property
    def claimer(self) -> Claimer:
        from chalicelib.worker.claimer import Claimer

        return Claimer(
            store=self.store,
            heartbeat=self.heartbeat,
            requirements=self.requirements,
            limits=self.worker_limits,
            clock=self.clock,
        )

    @cached_property
    def node_runner(self) -> NodeRunner:
        from chalicelib.worker.node_runner import NodeRunner

        return NodeRunner(
            store=self.store,
            handlers=self.handlers,
            dispatch=self.dispatch,
            settler=self.scheduler,
            executor=self.executor,
            heartbeat=self.heartbeat,
            sizing=self.sizing,
            requirements=self.requirements,
            vault=self.vault,
            offload=self.offload,
            tracer=self.tracer,
            metrics=self.metrics,
            limits=self.worker_limits,
            uniform=self.uniform,
            processor=self.processor,
            clock=self.clock,
        )

    @cached_property
    def committer(self) -> Committer:
        return self._committer()

    def _committer(self) -> Committer:
        from chalicelib.worker.committer import Committer

        return Committer(
            store=self.store,
            dispatch=self.dispatch,
            settler=self.scheduler,
            heartbeat=self.heartbeat,
            sizing=self.sizing,
            requirements=self.requirements,
            metrics=self.metrics,
            clock=self.clock,
        )

    @cached_property
    def spawn(self) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Starts a call in a thread, and returns the function that joins it. The simulation replaces it."""
        from chalicelib.worker.run_loop import spawn

        return spawn

    @cached_property
    def executor(self) -> Executor:
        from chalicelib.worker.executor import ThreadExecutor

        return ThreadExecutor()

    @cached_property
    def heartbeat(self) -> Heartbeat:
        from chalicelib.worker.heartbeat import Heartbeat

        return Heartbeat(self.store, lease_ms=round(self.settings.lease_seconds * 1000))

    @cached_property
    def sizing(self) -> Sizing:
        from chalicelib.worker.sizing import Sizing

        return Sizing(self.handlers, waiting_nodes=self.settings.waiting_nodes)

    @cached_property
    def requirements(self) -> Requirements:
        from chalicelib.worker.sizing import Requirements

        return Requirements(self.handlers, default_timeout=self.settings.default_timeout_seconds)

    @cached_property
    def worker_limits(self) -> WorkerLimits:
        from chalicelib.worker.job import WorkerLimits

        return WorkerLimits(
            default_timeout=self.settings.default_timeout_seconds,
            hop=self.settings.hop_seconds,
            max_result_bytes=self.settings.result_limit,
        )
