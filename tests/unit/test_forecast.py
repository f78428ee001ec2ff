"""Forecasts of shapes, durations and prices, and what is refused. Their counts are compared with the engine's in
tests/simulation/test_quiet.py, in virtual time, and in tests/integration/test_forecast.py."""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any

import pytest

from chalicelib.composition import Application
from chalicelib.core import cost, graph
from chalicelib.core.durations import INSTANT, OTHER, Known, durations, recorded
from chalicelib.core.plan import Plan
from chalicelib.core.records import Record
from chalicelib.errors import BodyTooLarge, InvalidDocument, MalformedBody, NotFound
from chalicelib.models.forecast import Forecast
from chalicelib.settings import Settings
from chalicelib.states import NodeState
from chalicelib.usecases.forecaster import Forecaster
from chalicelib.web import examples
from tests.support.harness import some

CALL = "call_external_service"


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    """Return a forecaster, which needs no server as long as no instance is named."""
    return Application(Settings(queue_url="http://nowhere/0/queue")).forecaster


def workflow(*nodes: tuple[str, str, list[str]]) -> dict[str, Any]:
    config = {CALL: {"url": "http://127.0.0.1/"}}
    each = [
        {"id": id, "handler": handler, "dependencies": parents, "config": config.get(handler, {})}
        for id, handler, parents in nodes
    ]
    return {"name": "w", "dag": {"nodes": each}}


# a -> (b, c -> d) -> e
DIAMOND = workflow(
    ("a", "input", []), ("b", CALL, ["a"]), ("c", CALL, ["a"]), ("d", "noop", ["c"]), ("e", "output", ["b", "d"])
)


def forecast(forecaster: Forecaster, workflow: Any, **more: Any) -> Forecast:
    return forecaster.of_body(json.dumps({"workflow": workflow, **more}).encode())


def test_levels_and_the_critical_path(forecaster: Forecaster) -> None:
    found = forecast(forecaster, DIAMOND, durations={"b": 5, CALL: 1.5})
    assert (found.nodes, found.edges) == (5, 5)
    assert found.levels == [["a"], ["b", "c"], ["d"], ["e"]]
    assert found.max_parallelism == 2
    assert found.critical_path.nodes == ["a", "b", "e"]
    assert found.critical_path.seconds == pytest.approx(5 + 2 * INSTANT)
    assert found.durations.model_dump() == {
        "given": 2,
        "recorded": 0,
        "assumed": 3,
        "total_seconds": pytest.approx(6.5 + 3 * INSTANT),
    }
    assert forecast(forecaster, DIAMOND, durations={"c": 9}).critical_path.nodes == ["a", "c", "d", "e"]


def test_a_workflow_alone_is_the_same_as_one_in_a_request(forecaster: Forecaster) -> None:
    assert forecaster.of_body(json.dumps(DIAMOND).encode()) == forecast(forecaster, DIAMOND)


@pytest.mark.parametrize("seed", range(20))
def test_levels_and_paths_of_any_graph(seed: int) -> None:
    rng = Random(seed)
    parents = [rng.sample(range(node), min(node, rng.choice([0, 1, 2, 4]))) for node in range(9)]
    weights = [rng.choice([0.5, 1.0, 3.0]) for _ in parents]
    order = graph.topological_order(parents)
    above = [frozenset[int]()] * len(parents)
    for node in order:
        above[node] = frozenset(parents[node]).union(*(above[parent] for parent in parents[node]))
    levels = graph.levels(parents, order)
    assert sorted(itertools.chain(*levels)) == list(range(len(parents)))
    for level in levels:
        assert all(one not in above[other] for one in level for other in level)
    # Never more than the largest set of independent nodes, which is found by trying all sets.
    independent = max(
        len(chosen)
        for size in range(1, len(parents) + 1)
        for chosen in itertools.combinations(range(len(parents)), size)
        if all(one not in above[other] for one in chosen for other in chosen)
    )
    assert max(map(len, levels)) <= independent
    path = graph.longest_path(parents, order, weights)
    assert not parents[path[0]] and all(one in parents[other] for one, other in itertools.pairwise(path))
    length = [0.0] * len(parents)
    for node in order:
        length[node] = weights[node] + max((length[parent] for parent in parents[node]), default=0)
    assert sum(weights[node] for node in path) == max(length)


def test_where_durations_come_from() -> None:
    made = Plan.from_json(json.dumps(DIAMOND).encode())
    known = Known({("b", CALL): 4.0, ("d", "noop"): 4.0, ("c", "input"): 4.0}, {CALL: 3.0})

    def instant(plan: Plan, node: int) -> bool:
        return plan.nodes[node].handler != CALL

    def found(given: dict[str, float], known: Known) -> list[float]:
        return [each.seconds for each in durations(made, instant, given, known)]

    assert found({}, Known({}, {})) == [INSTANT, OTHER, OTHER, INSTANT, INSTANT]
    assert found({}, known) == [INSTANT, 4.0, 3.0, INSTANT, INSTANT]  # c had another handler in that run
    assert found({CALL: 2.0}, known) == [INSTANT, 2.0, 2.0, INSTANT, INSTANT]
    assert found({CALL: 2.0, "b": 1.0, "d": 0.0}, known) == [INSTANT, 1.0, 2.0, 0.0, INSTANT]


def test_what_an_instance_has_recorded() -> None:
    made = Plan.from_json(json.dumps(DIAMOND).encode())

    def record(status: str, started: int | None, finished: int | None) -> Record:
        return Record(NodeState(status), 1, 0, 0, 0, -1, 0, started, finished)

    records = {1: record("C", 1000, 3500), 2: record("C", 1000, 1500), 3: record("F", 1000, 9000)}
    known = recorded(made, {**records, 4: record("R", 1000, None)})
    assert known == Known({("b", CALL): 2.5, ("c", CALL): 0.5}, {CALL: 1.5})


def test_workers_that_are_scarce(forecaster: Forecaster) -> None:
    """Of 1,200 nodes that wait a second, a worker runs the 200 of ten messages at once."""
    middle = [(f"n{number}", CALL, ["a"]) for number in range(1200)]
    wide = workflow(("a", "input", []), *middle, ("z", "output", [id for id, _, _ in middle]))
    seconds = [
        forecast(forecaster, wide, durations={CALL: 1}, workers=most).makespan.seconds for most in (1, 2, 3, 6, 50)
    ]
    assert [round(each) for each in seconds] == [6, 3, 3, 2, 1]
    found = forecast(forecaster, wide, durations={CALL: 1}, workers=2)
    assert found.makespan.workers == 2 and found.makespan.unlimited_workers == 7
    assert found.critical_path.seconds < found.makespan.unlimited_seconds < 1.2 < found.makespan.seconds
    assert found.usage.messages == 60 and found.usage.worker_invocations == 6 and found.usage.sqs_requests == 7 + 2 * 6


def test_what_it_costs(forecaster: Forecaster) -> None:
    found = forecast(forecaster, DIAMOND, durations={CALL: 2})
    usage, bill = found.usage, found.cost_usd
    assert bill.dag_service.sqs == pytest.approx(usage.sqs_requests * cost.SQS_REQUEST)
    functions = usage.worker_invocations * cost.LAMBDA_REQUEST + usage.lambda_seconds * 0.5 * cost.LAMBDA_GB_SECOND
    assert bill.dag_service.functions == pytest.approx(functions)
    assert bill.dag_service.store == pytest.approx(usage.redis_commands * cost.ECPU)
    assert bill.dag_service.total == pytest.approx(sum((bill.dag_service.sqs, functions, bill.dag_service.store)))
    lambdas = 5 * cost.LAMBDA_REQUEST + (4 + 3 * INSTANT) * 0.5 * cost.LAMBDA_GB_SECOND
    assert bill.step_functions_standard.orchestration == pytest.approx(6 * cost.STANDARD_TRANSITION)
    assert bill.step_functions_standard.total == pytest.approx(6 * cost.STANDARD_TRANSITION + lambdas)
    lasting = found.critical_path.seconds * cost.EXPRESS_GB * cost.EXPRESS_GB_SECOND
    assert bill.step_functions_express.total == pytest.approx(cost.EXPRESS_REQUEST + lasting + lambdas)


def calls(count: int) -> list[tuple[str, str, list[str]]]:
    return [(f"n{number}", CALL, []) for number in range(count)]


@pytest.mark.parametrize(("count", "share"), [(1, 1), (20, 20), (200, 200), (400, 200)])
def test_what_a_second_of_a_node_that_waits_takes(forecaster: Forecaster, count: int, share: int) -> None:
    """Up to 200 share an invocation of 0.5 GB. It takes a little longer than they wait."""
    usage = forecast(forecaster, workflow(*calls(count)), durations={CALL: 100}).usage
    assert usage.gb_seconds == pytest.approx(usage.lambda_seconds / 2)
    assert usage.gb_seconds_per_node_second == pytest.approx(usage.gb_seconds / (100 * count), rel=1e-3)
    assert 0.5 / share <= some(usage.gb_seconds_per_node_second) < 1.03 * 0.5 / share


def test_instant_nodes_are_no_waiting(forecaster: Forecaster) -> None:
    instant = [(f"i{number}", "noop", ["n0"]) for number in range(500)]
    usage = forecast(forecaster, workflow(*calls(1), *instant), durations={CALL: 100}).usage
    assert usage.gb_seconds_per_node_second == pytest.approx(usage.gb_seconds / 100, rel=1e-3)
    usage = forecast(forecaster, workflow(("a", "input", []), ("b", "noop", ["a"]))).usage
    assert usage.gb_seconds == 0 and usage.gb_seconds_per_node_second is None  # the trigger runs them


def test_a_status_has_the_same_figures_by_assumed_durations(forecaster: Forecaster) -> None:
    made = Plan.from_json(json.dumps(DIAMOND).encode())
    shown, usage = forecaster.usage(made).model_dump(), forecast(forecaster, DIAMOND).usage.model_dump()
    assert shown == {name: usage[name] for name in shown} and len(shown) == 4


def faults(forecaster: Forecaster, body: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as raised:
        forecaster.of_body(json.dumps(body).encode())
    return [(problem.pointer, problem.detail) for problem in raised.value.problems]


def test_the_faults_are_those_of_a_submission(forecaster: Forecaster) -> None:
    wrong = workflow(("a", "nop", ["b"]), ("a", "noop", []))
    submission = Application(Settings(queue_url="http://nowhere/0/queue")).submission
    with pytest.raises(InvalidDocument) as raised:
        submission.submit(json.dumps(wrong).encode(), None)
    expected = [(problem.pointer, problem.detail) for problem in raised.value.problems]
    assert len(expected) == 3
    assert faults(forecaster, wrong) == expected
    assert faults(forecaster, {"workflow": wrong}) == [(f"/workflow{at}", detail) for at, detail in expected]
    both = faults(forecaster, {"workflow": wrong, "workers": 0, "works": 1})
    assert [at for at, _ in both] == [f"/workflow{at}" for at, _ in expected] + ["/workers", "/works"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"durations": {"x": 1}}, "/durations/x"),
        ({"durations": {"noop": 1, CALL: -1}}, f"/durations/{CALL}"),
        ({"durations": {"a": 841}}, "/durations/a"),
        ({"durations": {"a": "1"}}, "/durations/a"),
        ({"durations": []}, "/durations"),
        ({"workers": 10_001}, "/workers"),
        ({"instance_id": 7}, "/instance_id"),
    ],
)
def test_what_is_refused_beside_the_workflow(forecaster: Forecaster, more: dict[str, Any], pointer: str) -> None:
    assert [at for at, _ in faults(forecaster, {"workflow": DIAMOND, **more})] == [pointer]


def test_bodies_that_are_none(forecaster: Forecaster) -> None:
    with pytest.raises(MalformedBody):
        forecaster.of_body(b"{")
    with pytest.raises(BodyTooLarge):
        forecaster.of_body(b" " * 6_000_000)
    bodies: list[Any] = [None, [], 1, {"workflow": None}, {"workflow": []}]
    for body in bodies:
        assert len(faults(forecaster, body)) == 1
    with pytest.raises(NotFound):
        forecast(forecaster, DIAMOND, instance_id="in-1")
    with pytest.raises(NotFound):
        forecaster.of_stored("ex-1")


def test_the_example_of_the_document_is_what_it_answers(forecaster: Forecaster) -> None:
    bodies = {name: json.dumps(each["value"]).encode() for name, each in examples.FORECAST_REQUESTS.items()}
    assert forecaster.of_body(bodies["durations"]).model_dump() == examples.FORECAST
    assert forecaster.of_body(bodies["workflow"]).levels == [["input"], ["output"]]


def test_a_heart_beats_while_nodes_wait(forecaster: Forecaster) -> None:
    alone = workflow(("a", CALL, []))
    short, long = (forecast(forecaster, alone, durations={CALL: seconds}).usage for seconds in (1, 65))
    assert long.redis_calls - short.redis_calls == 6  # a lease of 30 s is extended every 10 s
    assert long.transitions == short.transitions


def test_a_call_that_is_about_no_node_is_counted_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of these costs anything for each node, so no figure of a forecast shows how many nodes were counted."""
    counted: dict[str, set[int]] = {}

    def commands(call: str, nodes: int = 0) -> int:
        counted.setdefault(call, set()).add(nodes)
        return 0

    monkeypatch.setattr(cost, "commands", commands)
    forecaster = Application(Settings(queue_url="http://nowhere/0/queue", scheduling="lambda")).forecaster
    # Some children of `b` and of `c` do not fit into their worker. A scheduler is invoked for each. The first one takes
    # them all, and they have ended before the second one looks for them.
    children = [(f"{id}{number}", "noop", [id]) for id in "bc" for number in range(101)]
    late = workflow(("a", "input", []), ("b", CALL, ["a"]), ("c", CALL, ["a"]), *children)
    forecast(forecaster, late, durations={"b": 0.05, "c": 0.12})
    forecast(forecaster, workflow(("a", "input", []), *((f"n{number}", "noop", ["a"]) for number in range(501))))
    about_none = {call for call, nodes in counted.items() if nodes == {0}}
    assert about_none == {"create", "note_latest", "settle", "extend", "execution_of", "look_at_ended"}
    assert 0 not in counted["claim"] | counted["complete"]
