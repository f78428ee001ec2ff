"""The forecast of a run: its levels, its time, what it uses, and what it costs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core import cost, graph
from chalicelib.core.durations import INSTANT, OTHER, Duration
from chalicelib.core.plan import Plan
from chalicelib.core.rehearsal import Rehearsal
from chalicelib.core.rules import Delays, NodeProfile, Rules, RunTotals
from chalicelib.core.weight import INSTANT_WEIGHT, of_slow
from chalicelib.models import forecast as views
from chalicelib.models.views import Planned

# Measured on AWS (medians): Redis in the same zone, SQS to Lambda, an asynchronous invocation.
ON_AWS = Delays(redis=0.0005, aws=0.01, queue=0.016, scheduler=0.073)
NOTES = (
    "nothing fails, is lost, or is sent again, and no other instance takes workers or room",
    "handlers wait and do not compute: a worker runs all nodes of up to 10 messages at once",
    "workers are warm: they have the workflow in memory, and have measured its handlers",
    "a record holds what a node waited for others of its batch: instant ones take what is given, or else assumed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the service that a forecast depends on. `needs`, `instant` and `longest` (in seconds) are
    methods of Requirements in worker/sizing.py. `waits` is what a handler declares, and `waiting` the size of a node
    that waits (core/weight.py)."""

    rules: Rules
    needs: Callable[[Plan, int], Sequence[int]]
    instant: Callable[[Plan, int], bool]
    longest: Callable[[Plan, int], float]
    waits: Callable[[str], bool | None]
    waiting: int
    memory_gb: float = 0.5
    delays: Delays = ON_AWS


def rehearse(
    plan: Plan, durations: Sequence[Duration], engine: Engine, workers: int | None = views.WORKERS
) -> RunTotals:
    """The totals of a run with that many workers at most; None: there is always one that is free."""
    return Rehearsal(
        plan,
        _profiles(plan, durations, engine),
        needs=lambda node: engine.needs(plan, node),
        rules=engine.rules,
        delays=engine.delays,
        workers=workers,
    ).run()


def forecast(plan: Plan, durations: Sequence[Duration], engine: Engine, workers: int = views.WORKERS) -> views.Forecast:
    parents = [node.dependencies for node in plan.nodes]
    order = graph.topological_order(parents)
    levels = graph.levels(parents, order)
    seconds = [duration.seconds for duration in durations]
    path = graph.longest_path(parents, order, seconds)
    critical = sum(seconds[node] for node in path)
    sources = Counter(duration.source for duration in durations)
    limited, unlimited = (rehearse(plan, durations, engine, most) for most in (workers, None))
    return views.Forecast(
        name=plan.name,
        nodes=len(plan.nodes),
        edges=sum(map(len, parents)),
        levels=[[plan.nodes[node].id for node in level] for level in levels],
        max_parallelism=max(map(len, levels)),
        critical_path=views.CriticalPath(nodes=[plan.nodes[node].id for node in path], seconds=_rounded(critical)),
        makespan=views.Makespan(
            seconds=_rounded(limited.makespan_seconds),
            workers=workers,
            unlimited_seconds=_rounded(unlimited.makespan_seconds),
            unlimited_workers=unlimited.peak_workers,
        ),
        usage=_usage(limited, waiting_seconds(plan, durations, engine), engine.memory_gb),
        cost_usd=_cost(limited, len(plan.nodes), sum(seconds), critical, engine.memory_gb),
        durations=views.Sources(
            given=sources["given"],
            recorded=sources["recorded"],
            assumed=sources["assumed"],
            total_seconds=_rounded(sum(seconds)),
        ),
        assumptions=_assumptions(engine),
    )


def _profiles(plan: Plan, durations: Sequence[Duration], engine: Engine) -> list[NodeProfile]:
    by_handler: dict[str, list[float]] = {}
    for node, duration in zip(plan.nodes, durations, strict=True):
        by_handler.setdefault(node.handler, []).append(duration.seconds)
    # Handlers are taken to wait, unless they declare that they compute.
    weights = {
        handler: of_slow(sum(each) / len(each), waits=engine.waits(handler) is not False, waiting=engine.waiting)
        for handler, each in by_handler.items()
    }
    unmeasured = {
        handler: of_slow(None, waits=engine.waits(handler) is True, waiting=engine.waiting) for handler in by_handler
    }
    profiles = []
    for number, (node, duration) in enumerate(zip(plan.nodes, durations, strict=True)):
        if engine.instant(plan, number):
            profiles.append(NodeProfile(duration.seconds, INSTANT_WEIGHT, INSTANT_WEIGHT, True, 0.0))
        else:
            seconds, longest = duration.spread(number), engine.longest(plan, number)
            known, unknown = weights[node.handler], unmeasured[node.handler]
            profiles.append(NodeProfile(seconds, known, unknown, False, longest))
    return profiles


def planned(plan: Plan, durations: Sequence[Duration], engine: Engine) -> Planned:
    """What the status of an instance shows of a forecast."""
    run = rehearse(plan, durations, engine)
    memory = _memory(run, waiting_seconds(plan, durations, engine), engine.memory_gb)
    return Planned(messages=run.messages, transitions=run.transitions, **memory)


def waiting_seconds(plan: Plan, durations: Sequence[Duration], engine: Engine) -> float:
    """The seconds of all nodes together for which a worker has to be there: those of nodes that are not instant."""
    return sum(each.seconds for number, each in enumerate(durations) if not engine.instant(plan, number))


def _memory(run: RunTotals, waiting_seconds: float, memory_gb: float) -> dict[str, Any]:
    used = run.lambda_seconds * memory_gb
    each = _rounded(used / waiting_seconds) if waiting_seconds else None
    return {"gb_seconds": _rounded(used), "gb_seconds_per_node_second": each}


def _usage(run: RunTotals, waiting_seconds: float, memory_gb: float) -> views.PredictedUsage:
    return views.PredictedUsage(
        messages=run.messages,
        transitions=run.transitions,
        sqs_requests=run.sqs_requests,
        sqs_send_requests=run.sqs_send_requests,
        worker_invocations=run.worker_invocations,
        scheduler_invocations=run.scheduler_invocations,
        lambda_seconds=_rounded(run.lambda_seconds),
        **_memory(run, waiting_seconds, memory_gb),
        redis_calls=run.redis_calls,
        redis_commands=run.redis_commands,
    )


def _cost(run: RunTotals, nodes: int, seconds: float, critical: float, memory_gb: float) -> views.Cost:
    ours = cost.ours(
        cost.Consumption(
            nodes=nodes,
            instances=1,
            sqs_requests=run.sqs_requests,
            invocations=run.worker_invocations + run.scheduler_invocations,
            seconds=run.lambda_seconds,
            redis_commands=run.redis_commands,
        ),
        memory_gb=memory_gb,
    )
    lambdas = cost.lambdas(nodes, seconds, memory_gb=memory_gb)
    return views.Cost(
        dag_service=views.Bill(sqs=ours.sqs, functions=ours.functions, store=ours.store, total=ours.total),
        step_functions_standard=_step_functions((nodes + 1) * cost.STANDARD_TRANSITION, lambdas),
        step_functions_express=_step_functions(cost.express_orchestration(1, critical), lambdas),
    )


def _step_functions(orchestration: float, lambdas: float) -> views.StepFunctionsBill:
    return views.StepFunctionsBill(orchestration=orchestration, functions=lambdas, total=orchestration + lambdas)


def _assumptions(engine: Engine) -> views.Assumptions:
    return views.Assumptions(
        instant_seconds=INSTANT,
        other_seconds=OTHER,
        redis_seconds=engine.delays.redis,
        aws_seconds=engine.delays.aws,
        queue_seconds=engine.delays.queue,
        scheduler_seconds=engine.delays.scheduler,
        memory_gb=engine.memory_gb,
        scheduling="inline" if engine.rules.inline else "lambda",
        hop_seconds=engine.rules.hop_seconds,
        notes=list(NOTES),
    )


def _rounded(seconds: float) -> float:
    """Rounded to microseconds: the rest is noise of floating point."""
    return round(seconds, 6)
