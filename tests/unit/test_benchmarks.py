"""The pure parts of the benchmark: the workloads are workflows, runs are checked, and the arithmetic is right."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from benchmarks import bill, catalogue, handlers, idle, plot, report, service, trace, workloads, zip_waiting
from benchmarks.dag import Dag
from benchmarks.results import Results, Run, percentile, values
from benchmarks.workloads import Workload, chain, fan, layered
from chalicelib.core import cost, definition, strictjson
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.queues.message import decode, encode
from examples.run import fan_out

HANDLERS = {"bench_noop": handlers.noop, "bench_fibonacci": handlers.fibonacci, "bench_call": handlers.call}
NODES = {"chain": 200, "fan": 1002, "layered": 1000, "many": 10, "alone": 10, "fib10": 40, "fib33": 10}
NODES |= {"montage1k": 994, "calls200": 202, "calls1000": 1002, "sequences": 5, "failing": 5, "beside": 1002}


@pytest.mark.parametrize("workload", workloads.ALL, ids=lambda workload: workload.name)
def test_a_workload_is_a_valid_workflow(workload: Workload) -> None:
    made = workload.make()
    body = strictjson.loads(json.dumps(made).encode(), max_bytes=5 * 1024 * 1024, max_depth=64)
    definition.check(body, HANDLERS, max_nodes=10_000)  # raises an exception that has every fault
    dag = Dag.of(made)
    assert len(dag.nodes) == NODES.get(workload.name, 9_976)
    seen: set[str] = set()
    for node in dag.nodes:  # parents come first, as the adapters assume
        assert seen.issuperset(node.parents)
        seen.add(node.id)


def test_levels_and_ends() -> None:
    assert [len(level) for level in Dag.of(fan(8)).levels()] == [1, 8, 1]
    assert [len(level) for level in Dag.of(layered(4, 10, 3)).levels()] == [10] * 4
    assert [node.id for node in Dag.of(fan(8)).ends()] == ["last"]
    assert Dag.of(chain(2, 33)).nodes[1].n == 33


GOOD = ["a n0 1 2", "b n0 1 3", "b n1 3 4", "a n1 5 6"]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (GOOD, None),
        ([*GOOD, "a n1 7 8"], "node n1 ran twice"),
        (GOOD[:3], "1 of 2 nodes ran"),
        (GOOD[1:3], "0 of 2 nodes ran"),
        ([*GOOD, "c n1 5 6"], None),  # from an earlier run, which was given up
        ([*GOOD[:3], "a n1 1 6"], "node n1 started before its parent n0 had ended"),
    ],
)
def test_a_run_is_checked(lines: list[str], fault: str | None) -> None:
    assert trace.fault(lines, Dag.of(chain(2)), ["a", "b"]) == fault


def test_the_service_fails_the_same_keys_each_time() -> None:
    keys = [f"instance-{number}/n0" for number in range(10_000)]
    failing = [key for key in keys if service.fails(key, service.FAILING)]
    assert 150 <= len(failing) <= 250 and failing == [key for key in keys if service.fails(key, service.FAILING)]
    assert not any(service.fails(key, 0.0) for key in keys) and all(service.fails(key, 1.0) for key in keys)


def test_what_calls_and_what_runs_where() -> None:
    five = workloads.sequence("rarely-")["dag"]["nodes"]
    assert five == workloads.sequence("rarely-")["dag"]["nodes"]
    assert all(node["config"]["call"].startswith("rarely-0.") for node in five)
    waiting = {workload.name for workload in workloads.ALL if workload.waits}
    assert waiting == {node for node in NODES if node[:5] in ("calls", "seque", "faili", "besid")}
    ran = {engine.name: {one.name for one in workloads.ALL if engine.runs(one)} for engine in catalogue.ALL}
    assert ran["ours"] == ran["restate-calls"] == NODES.keys() | {"montage10k"}
    assert ran["celery-threads"] == waiting and not ran["celery"] & waiting


def test_values() -> None:
    many = Workload(name="many", title="", unit="nodes/s", make=lambda: fan(8), instances=2)
    beside = Workload(name="beside", title="", unit="ms", make=lambda: fan(8), beside=lambda: chain(2))
    assert values(beside, 10, 9.0, [0.004, 0.002]) == {"p50 ms": 2, "p99 ms": 4}
    assert values(many, 10, 0.5, [0.4, 0.5]) == {"nodes/s": 40, "p50 ms": 400, "p95 ms": 500}
    hops = Workload(name="chain", title="", unit="ms a hop", make=lambda: chain(200))
    assert values(hops, 200, 1.0, [1.0]) == {"ms a hop": 5}
    assert percentile(range(1, 101), 95) == 95


def results() -> Results:
    """Return results in which ours is 2, 4 and 5 times better in time, and half as good in rate. RQ failed at times."""
    workloads = {"chain": "a chain", "fan": "a fan"}
    made = Results("2026-01-01", "a machine", 3, 60, workloads, versions={"ours": {"Python": "3"}})
    for number, theirs in enumerate((4.0, 8.0, 10.0), 1):
        made.runs.append(Run(number, "ours", "chain", {"ms a hop": 2.0}, []))
        made.runs.append(Run(number, "celery", "chain", {"ms a hop": theirs}, []))
        made.runs.append(Run(number, "ours", "fan", {"nodes/s": 100.0}, []))
        made.runs.append(Run(number, "celery", "fan", {"nodes/s": 200.0}, []))
    made.runs.append(Run(1, "rq", "chain", {"ms a hop": 3.0}, ["a job was lost"]))
    made.runs.append(Run(1, "rq", "fan", {}, ["over 60 s: 3 of 1,002 nodes had run"]))
    made.calibration, made.load = [0.05, 0.06], [0.1]
    made.floor = [{"EVALSHA round trips/s": 10_000.0}]
    return made


def test_ratios_are_of_the_same_round_and_above_one_where_ours_is_better() -> None:
    made = results()
    ratio = made.ratio("celery", "chain", "ms a hop")
    assert ratio is not None and (ratio.median, ratio.least, ratio.most) == (4, 2, 5)
    rate = made.ratio("celery", "fan", "nodes/s")
    assert rate is not None and rate.median == 0.5
    assert made.ratio("rq", "fan", "nodes/s") is None


def test_the_report_tells_losses_and_failures() -> None:
    page = report.markdown(results())
    assert "| a chain | ms a hop (less is better) | 2.00 [2.00 .. 2.00] | 8.00 [4.00 .. 10.0] |" in page
    assert "| a fan | nodes/s | 0.50 [0.50 .. 0.50] | - |" in page
    assert "| over 60 s |" in page
    assert "- RQ, a chain: a job was lost (1 of 2 runs)" in page


def test_the_plot_has_a_mark_for_every_ratio() -> None:
    made = results()
    root = ElementTree.fromstring(plot.svg(made))
    marks = [mark for mark in root.iter("{http://www.w3.org/2000/svg}circle") if mark.get("r") == "4"]
    assert len(marks) == 3


def test_results_survive_json() -> None:
    made = results()
    assert Results.of_json(json.loads(json.dumps(made.as_json()))) == made


@pytest.mark.parametrize(("nodes", "sizes"), [(3, [1] * 3), (200, [20] * 10), (805, [81] * 5 + [80] * 5)])
def test_an_event_for_the_zip_spreads_its_nodes_over_ten_messages(nodes: int, sizes: list[int]) -> None:
    ref = Ref("in-01a20aef85620b5b4cabb4fc17d83e", "ex-01a20aef8512012287cd7dd905aa01")
    all_nodes = [Ready(node, 1) for node in range(nodes)]
    sent = [encode(Message(ref, tuple(all_nodes[first : first + 20]))) for first in range(0, nodes, 20)]
    messages = [decode(record["body"]) for record in zip_waiting.event(sent)["Records"]]
    assert [len(message.nodes) for message in messages] == sizes
    assert sorted(ready.node for message in messages for ready in message.nodes) == list(range(nodes))


def test_the_row_of_the_zip_has_the_medians() -> None:
    rounds = [zip_waiting.Figures(5.0 + late, late, 1.25, 80.2, 401, 207, 0.0028) for late in (0.9, 0.5, 0.6)]
    assert zip_waiting.row(0.289, 200, rounds) == "| 0.29 | 200 | 5.60 | 0.60 | 1.2 | 80 | 401 | 207 | 0.0028 |"


@pytest.mark.parametrize("way", idle.ways(20), ids=lambda way: way.title)
def test_every_node_that_trickles_in_is_served_within_the_limit(way: idle.Way) -> None:
    found = idle.Model(way, 20).run()
    assert found.nodes == len(found.late) == pytest.approx(20 * idle.SECONDS, rel=0.05)
    assert 0 < found.most <= way.limit
    assert 1 / idle.ROOM <= found.gb_seconds_a_node_second / idle.MEMORY_GB <= 1.01


def test_nodes_that_trickle_in_slowly_have_an_invocation_each() -> None:
    found = idle.Model(idle.Way(title=""), 0.2).run()
    assert found.gb_seconds_a_node_second == pytest.approx(idle.MEMORY_GB, rel=0.01)
    assert found.invocations == found.nodes and max(found.late) == 0
    assert found.dollars == pytest.approx(5 * 0.5 * 16.6667 + 0.2 + 2 * 0.4, rel=0.01)


@pytest.mark.parametrize(("limit", "receives"), [(62, 0), (10, 60)])
def test_a_limit_that_is_always_reached_decides_what_a_node_costs(limit: int, receives: float) -> None:
    """The invocations never end, so to speak, and share what waits at once: 500 nodes."""
    found = idle.Model(idle.Way(title="", limit=limit, receives=receives), 100).run()
    assert found.gb_seconds_a_node_second == pytest.approx(idle.MEMORY_GB * limit / 500, rel=0.06)


def test_an_invocation_that_receives_takes_no_more_than_it_has_room_for() -> None:
    """Two invocations have room for 400 nodes that wait 5 s: 80 a second."""
    found = idle.Model(idle.Way(title="", limit=2, receives=60), 100).run()
    assert found.gb_seconds_a_node_second == pytest.approx(idle.MEMORY_GB / idle.ROOM, rel=0.2)
    assert found.percentile(50) > 50


def test_waits_call_the_service_and_know_their_levels() -> None:
    load = bill.Waits("", fan_out(8), 5, batch=1)
    nodes = load.calling("http://127.0.0.1/5")["dag"]["nodes"]
    assert {(node["handler"], node["config"]["url"]) for node in nodes} == {
        ("call_external_service", "http://127.0.0.1/5")
    }
    assert load.levels == 3 and bill.Waits("", bill.chain(10)).levels == 10


def test_the_bill_of_waiting_is_what_was_measured_at_lambdas_share_of_a_processor() -> None:
    """Two instances of one node took 2 x 5.1 s, 0.2 s of which the processor."""
    usage = cost.Consumption(nodes=2, instances=2, sqs_requests=0, invocations=2, seconds=10.2, redis_commands=0)
    slower = 0.2 * (1769 / 512 - 1)
    assert bill.on_lambda(usage, 0.2).seconds == pytest.approx(10.2 + slower)
    row = bill.waits_row(bill.Waits("single", bill.chain(1), 2, batch=1), usage, 0.2, 5)
    each = (10.2 + slower) / 2 * 0.5
    lambdas = 5 * 0.5 * 16.6667 + 0.2
    express = 1 + 5 * 0.0625 * 16.67
    ours = each * 16.6667 + 0.2
    prices = (ours, 50, 50 + lambdas, express, express + lambdas, 8 + lambdas)
    assert row == f"| single | 1.000 | {each / 5:.4f} | " + " | ".join(f"{price:.2f}" for price in prices) + " |"
