"""What HTTP shows of what the store has: every field, and the answer if something is missing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.records import Record, Snapshot, StoredWorkflow
from chalicelib.core.retry import Retry
from chalicelib.models.views import DeliveryStatus, Finished, LargeResult, Planned, ResultsView, WebhookView
from chalicelib.states import NodeState, NodeStatus
from chalicelib.usecases import present

T0 = 1_700_000_000_000
AT = "2023-11-14T22:13:2"
COUNTS = {"total": 4, "pending": 0, "running": 1, "completed": 1, "failed": 1, "skipped": 1, "cancelled": 0}
BOOM = json.dumps({"type": "Boom", "message": "it broke", "traceback": "Traceback"}).encode()


def plan(*nodes: tuple[str, tuple[int, ...]], handlers: dict[str, str] | None = None) -> Plan:
    made = [PlanNode(id, (handlers or {}).get(id, "noop"), above, {}, Retry(), None) for id, above in nodes]
    return Plan("Nightly", made, {node.id: number for number, node in enumerate(made)})


DIAMOND = plan(("a", ()), ("b", (0,)), ("c", (0,)), ("d", (1, 2)))
SNAPSHOT = Snapshot(
    instance_id="in-1",
    execution_id="ex-1",
    status="RUNNING",
    counts=COUNTS,
    created_at=T0,
    started_at=T0 + 1001,
    finished_at=None,
    error=None,
    error_node=None,
    paused=True,
    epoch=2,
    tags={"team": "a"},
    calls=7,
    messages=5,
    records={
        0: Record(NodeState.COMPLETED, 3, 1, 1, 1, -1, T0, T0 + 1000, T0 + 2002, "w"),
        1: Record(NodeState.FAILED, 2, 1, 0, 1, -1, T0 + 3, T0 + 4, T0 + 5, "w"),
        2: Record(NodeState.RUNNING, 1, 0, 0, 1, -1, T0 + 6, T0 + 7, None, "w"),
    },
    errors={1: BOOM},
)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1000, "1970-01-01T00:00:01.000Z"),
        (T0 + 45_067, "2023-11-14T22:14:05.067Z"),
    ],
)
def test_times_are_rfc_3339_with_milliseconds(milliseconds: int, text: str) -> None:
    assert present.rfc3339(milliseconds) == present.moment(milliseconds) == text
    assert present.moment(None) is None


def test_a_status_shows_all_that_is_known() -> None:
    planned = Planned(messages=1, transitions=2, gb_seconds=0.5, gb_seconds_per_node_second=0.005)
    webhook = WebhookView(status=DeliveryStatus.PENDING, attempts=2)
    view = present.status(SNAPSHOT, DIAMOND, planned, webhook=webhook)
    shown = view.model_dump(mode="json")
    nodes = shown.pop("nodes")
    assert shown.pop("usage") == {"messages": 5, "transitions": 7, "planned": planned.model_dump(mode="json")}
    assert shown.pop("webhook") == webhook.model_dump(mode="json")
    assert shown == {
        "instance_id": "in-1",
        "execution_id": "ex-1",
        "name": "Nightly",
        "status": "RUNNING",
        "paused": True,
        "epoch": 2,
        "tags": {"team": "a"},
        "progress": COUNTS,
        "created_at": f"{AT}0.000Z",
        "started_at": f"{AT}1.001Z",
        "finished_at": None,
        "error": None,
    }
    nothing = {"queued_at": None, "started_at": None, "finished_at": None, "error": None}
    assert nodes["a"] == {
        **nothing,
        "status": "COMPLETED",
        "attempt": 3,
        "queued_at": f"{AT}0.000Z",
        "started_at": f"{AT}1.000Z",
        "finished_at": f"{AT}2.002Z",
    }
    assert (nodes["b"]["status"], nodes["b"]["attempt"], nodes["b"]["finished_at"]) == ("FAILED", 2, f"{AT}0.005Z")
    assert nodes["b"]["error"] == {"type": "Boom", "message": "it broke", "node": None, "traceback": "Traceback"}
    assert (nodes["c"]["status"], nodes["c"]["attempt"]) == ("RUNNING", 1)
    assert nodes["d"] == {**nothing, "status": "PENDING", "attempt": 0}
    assert list(nodes) == ["a", "b", "c", "d"]
    assert present.status(SNAPSHOT, DIAMOND, planned, nodes=False).nodes == {}


@pytest.mark.parametrize(
    ("letter", "live", "terminal"),
    [
        (None, "PENDING", "CANCELLED"),
        ("Q", "PENDING", "CANCELLED"),
        ("R", "RUNNING", "CANCELLED"),
        ("C", "COMPLETED", "COMPLETED"),
        ("F", "FAILED", "FAILED"),
        ("I", "FAILED", "FAILED"),
        ("S", "SKIPPED", "SKIPPED"),
    ],
)
def test_what_had_not_ended_with_its_instance_is_cancelled(letter: str | None, live: str, terminal: str) -> None:
    record = letter and Record(NodeState(letter), 1, 0, 0, 1, -1, None, None, None)
    assert present.node_status(record or None, False) is NodeStatus(live)
    assert present.node_status(record or None, True) is NodeStatus(terminal)
    for status, shown in (("RUNNING", live), ("COMPLETED", terminal), ("FAILED", terminal), ("CANCELLED", terminal)):
        snapshot = replace(SNAPSHOT, status=status, records={0: record} if record else {}, errors={})
        assert present.status(snapshot, DIAMOND, None).nodes["a"].status is NodeStatus(shown)


def test_the_error_of_an_instance_is_its_own_or_that_of_the_node_that_failed_it() -> None:
    of_node = replace(SNAPSHOT, status="FAILED", error_node=1)
    error = present.status(of_node, DIAMOND, None).error
    assert error is not None
    assert (error.type, error.message, error.node, error.traceback) == ("Boom", "it broke", "b", None)
    own = json.dumps({"type": "DefinitionGone", "message": "deleted"}).encode()
    error = present.status(replace(of_node, error=own), DIAMOND, None).error
    assert error is not None and (error.type, error.message, error.node) == ("DefinitionGone", "deleted", None)
    assert present.status(replace(of_node, error_node=0), DIAMOND, None).error is None  # it was run again meanwhile
    gone = present.definition_gone(of_node)
    assert gone.error is not None and gone.error.node is None
    assert (gone.name, gone.nodes, gone.progress.total) == ("", {}, 4)


def test_a_workflow_that_has_no_instance_is_pending_as_a_whole() -> None:
    workflow = StoredWorkflow("ex-1", "Stored", b"{}", T0, None)
    planned = Planned(messages=3, transitions=4, gb_seconds=0.0, gb_seconds_per_node_second=None)
    view = present.never_triggered(workflow, DIAMOND, planned)
    assert (view.instance_id, view.execution_id, view.name, view.status.value) == (None, "ex-1", "Stored", "PENDING")
    assert view.progress.model_dump() == {**dict.fromkeys(COUNTS, 0), "total": 4, "pending": 4}
    assert view.created_at == f"{AT}0.000Z" and view.epoch == 1 and view.paused is False
    assert view.usage.messages == view.usage.transitions == 0 and view.usage.planned == planned
    nodes = {id: (node.status.value, node.attempt) for id, node in view.nodes.items()}
    assert nodes == dict.fromkeys("abcd", ("PENDING", 0))
    assert present.never_triggered(workflow, DIAMOND, planned, nodes=False).nodes == {}


@pytest.mark.parametrize(
    ("made", "nodes", "alone"),
    [
        (DIAMOND, [3], False),
        (plan(("a", ()), ("b", ())), [0, 1], False),
        (plan(("a", ()), ("o", ()), ("b", (1,)), handlers={"o": "output"}), [1], True),
        (plan(("a", ()), ("o", (0,)), ("p", (0,)), handlers={"o": "output", "p": "output"}), [1, 2], False),
    ],
)
def test_the_output_is_of_output_nodes_else_of_those_that_nobody_depends_on(
    made: Plan, nodes: list[int], alone: bool
) -> None:
    assert present.output_nodes(made) == (nodes, alone)


def shown(made: Plan, values: dict[int, bytes], large: dict[int, LargeResult] | None = None) -> ResultsView:
    return ResultsView.model_validate_json(present.results(SNAPSHOT, 1, made, values, large or {}))


def test_results_are_shown_by_id_and_the_output_apart() -> None:
    large = {1: LargeResult(bytes=10, sha256="ab", href="/x")}
    view = shown(DIAMOND, {3: b'{"x": 1}', 0: b"[1]"}, large)
    assert (view.instance_id, view.execution_id, view.status.value, view.epoch) == ("in-1", "ex-1", "RUNNING", 1)
    assert view.results == {"a": [1], "d": {"x": 1}} and list(view.results) == ["a", "d"]
    assert view.output == {"d": {"x": 1}} and view.large == {"b": large[1]}
    assert shown(DIAMOND, {0: b"1"}).output == {}
    one = plan(("a", ()), ("o", (0,)), handlers={"o": "output"})
    assert shown(one, {0: b"1", 1: b"[2]"}).output == [2]
    assert shown(one, {0: b"1"}).output is None


def test_each_field_of_the_results_is_written_once_in_the_order_of_the_model() -> None:
    for made in (DIAMOND, plan(("o", ()), handlers={"o": "output"})):
        fields = json.loads(present.results(SNAPSHOT, 1, made, {0: b"1"}, {}), object_pairs_hook=list)
        assert [name for name, _ in fields] == list(ResultsView.model_fields)


def test_the_end_of_an_instance_is_shown_with_its_output_as_it_is_stored() -> None:
    large = {3: LargeResult(bytes=10, sha256="ab", href="/x")}
    ended = replace(SNAPSHOT, status="FAILED", finished_at=T0 + 3, error_node=1)
    text = present.finished(ended, DIAMOND, {}, large)
    view = Finished.model_validate_json(text)
    assert (view.instance_id, view.execution_id, view.status.value) == ("in-1", "ex-1", "FAILED")
    assert (view.created_at, view.finished_at) == (f"{AT}0.000Z", f"{AT}0.003Z")
    assert view.error == present.status(ended, DIAMOND, None).error and view.error is not None
    assert view.output == {} and view.large == {"d": large[3]}
    names = ["instance_id", "execution_id", "status", "created_at", "finished_at", "error", "output", "large"]
    assert list(json.loads(text)) == names == list(Finished.model_fields)
    one = plan(("a", ()), ("o", (0,)), handlers={"o": "output"})
    number = b"1.0000000000000000000000001"
    text = present.finished(replace(ended, error_node=None, status="COMPLETED"), one, {1: number}, {})
    assert '"error":null,"output":1.0000000000000000000000001,"large":{}}' in text
