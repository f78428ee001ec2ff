"""What a run of a workflow will take: its shape, how long, how much of everything, what it costs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from chalicelib.core import cost, graph
from chalicelib.core.plan import Plan
from chalicelib.core.rehearsal import Rehearsal
from chalicelib.core.rules import Delays, Rules, Step, Tally
from chalicelib.models import forecast as views
from chalicelib.protocols import Record

# Assumed, in seconds: a node that is over at once with the engine's own work for it, and any other one.
INSTANT, OTHER = 0.0001, 1.0
# Measured on AWS (medians): Redis in the same zone, SQS to Lambda, an asynchronous invocation.
ON_AWS = Delays(redis=0.0005, aws=0.01, queue=0.016, scheduler=0.073)
NOTES = (
    "nothing fails, is lost, or is sent again, and no other instance takes workers or room",
    "handlers wait and do not compute: a worker runs all nodes of up to 10 messages at once",
    "workers are warm: they have the workflow in memory, and have measured its handlers",
    "instant nodes take what is assumed, unless they are given: a record holds what they waited for each other, too",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What of the service a forecast depends on. `needs`, `instant` and `longest` (s) are those of worker/traits.py.

    `size`, of worker/pace.py: what a node takes of the room by its handler's average, None where that is not known.
    """

    rules: Rules
    needs: Callable[[Plan, int], Iterable[int]]
    instant: Callable[[Plan, int], bool]
    longest: Callable[[Plan, int], float]
    size: Callable[[bool, float | None], int]
    memory_gb: float = 0.5
    delays: Delays = ON_AWS


@dataclass(frozen=True, slots=True)
class Known:
    """Seconds by (node id, handler), and the averages by handler."""

    nodes: Mapping[tuple[str, str], float]
    handlers: Mapping[str, float]


NOTHING = Known({}, {})


@dataclass(frozen=True, slots=True)
class Durations:
    """Of each node, in seconds, and where they are from."""

    seconds: list[float]
    given: int
    recorded: int


def recorded(plan: Plan, records: Mapping[int, Record]) -> Known:
    """How long the nodes of an instance took that completed."""
    nodes: dict[tuple[str, str], float] = {}
    handlers: dict[str, list[float]] = {}
    for number, record in records.items():
        if record.status == "C" and record.started_at is not None and record.finished_at is not None:
            node, seconds = plan.nodes[number], max(0, record.finished_at - record.started_at) / 1000
            nodes[node.id, node.handler] = seconds
            handlers.setdefault(node.handler, []).append(seconds)
    return Known(nodes, {handler: _mean(several) for handler, several in handlers.items()})


def durations(plan: Plan, engine: Engine, given: Mapping[str, float], known: Known = NOTHING) -> Durations:
    """What is given for a node comes before what is given for its handler, then its own record, and its handler's."""
    found, count = [], {"given": 0, "recorded": 0, "assumed": 0}
    for number, node in enumerate(plan.nodes):
        instant, source = engine.instant(plan, number), "assumed"
        seconds = given.get(node.id, given.get(node.handler))
        if seconds is not None:
            source = "given"
        elif not instant:
            seconds = known.nodes.get((node.id, node.handler), known.handlers.get(node.handler))
            source = "assumed" if seconds is None else "recorded"
        count[source] += 1
        found.append(seconds if seconds is not None else INSTANT if instant else OTHER)
    return Durations(found, count["given"], count["recorded"])


def tally(plan: Plan, durations: Durations, engine: Engine, workers: int | None = views.WORKERS) -> Tally:
    """What a run with so many workers takes; None: there is always one that is free."""
    return Rehearsal(
        plan,
        _steps(plan, durations, engine),
        needs=lambda node: engine.needs(plan, node),
        rules=engine.rules,
        delays=engine.delays,
        workers=workers,
    ).run()


def forecast(plan: Plan, durations: Durations, engine: Engine, workers: int = views.WORKERS) -> views.Forecast:
    parents = [node.dependencies for node in plan.nodes]
    order = graph.topological_order(parents)
    levels = graph.levels(parents, order)
    path = graph.longest_path(parents, order, durations.seconds)
    critical = sum(durations.seconds[node] for node in path)
    limited, unlimited = (tally(plan, durations, engine, most) for most in (workers, None))
    return views.Forecast(
        name=plan.name,
        nodes=len(plan.nodes),
        edges=sum(map(len, parents)),
        levels=[[plan.nodes[node].id for node in level] for level in levels],
        max_parallelism=max(map(len, levels)),
        critical_path=views.CriticalPath(nodes=[plan.nodes[node].id for node in path], seconds=_rounded(critical)),
        makespan=views.Makespan(
            seconds=_rounded(limited.seconds),
            workers=workers,
            unlimited_seconds=_rounded(unlimited.seconds),
            unlimited_workers=unlimited.at_once,
        ),
        usage=_usage(limited),
        cost_usd=_cost(limited, len(plan.nodes), sum(durations.seconds), critical, engine.memory_gb),
        durations=views.Sources(
            given=durations.given,
            recorded=durations.recorded,
            assumed=len(plan.nodes) - durations.given - durations.recorded,
            total_seconds=_rounded(sum(durations.seconds)),
        ),
        assumptions=_assumptions(engine),
    )


def _steps(plan: Plan, durations: Durations, engine: Engine) -> list[Step]:
    by_handler: dict[str, list[float]] = {}
    for node, seconds in zip(plan.nodes, durations.seconds, strict=True):
        by_handler.setdefault(node.handler, []).append(seconds)
    means = {handler: _mean(several) for handler, several in by_handler.items()}
    steps = []
    for number, (node, seconds) in enumerate(zip(plan.nodes, durations.seconds, strict=True)):
        instant = engine.instant(plan, number)
        size, unmeasured = engine.size(instant, means[node.handler]), engine.size(instant, None)
        steps.append(Step(seconds, size, unmeasured, instant, engine.longest(plan, number)))
    return steps


def _usage(run: Tally) -> views.PredictedUsage:
    return views.PredictedUsage(
        messages=run.messages,
        transitions=run.transitions,
        sqs_requests=run.requests,
        sqs_send_requests=run.sends,
        worker_invocations=run.invocations,
        scheduler_invocations=run.scheduled,
        lambda_seconds=_rounded(run.busy),
        redis_calls=run.calls,
        redis_commands=run.commands,
    )


def _cost(run: Tally, nodes: int, seconds: float, critical: float, memory_gb: float) -> views.Cost:
    ours = cost.ours(
        cost.Usage(
            nodes=nodes,
            instances=1,
            sqs_requests=run.requests,
            invocations=run.invocations + run.scheduled,
            seconds=run.busy,
            redis_commands=run.commands,
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


def _mean(several: list[float]) -> float:
    return sum(several) / len(several)


def _rounded(seconds: float) -> float:
    """To microseconds: what is beyond is noise of floats."""
    return round(seconds, 6)
