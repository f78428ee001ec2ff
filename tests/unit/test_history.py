"""The history of an instance, and the reason for a node's state, from given records and events."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.core import events
from chalicelib.core.events import Happened, history, why
from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.records import Archived, Event, Record, Snapshot
from chalicelib.core.retry import Retry
from chalicelib.states import NodeState

# b and c wait for a, d for both.
PARENTS = {"a": (), "b": (0,), "c": (0,), "d": (1, 2)}
PLAN = Plan("w", [PlanNode(id, "noop", above, {}, Retry(), None) for id, above in PARENTS.items()], {})
A, B, C, D = range(4)


def snapshot(records: dict[int, Record] | None = None, **more: object) -> Snapshot:
    one = Snapshot(
        instance_id="in-1",
        execution_id="ex-1",
        status="RUNNING",
        counts={},
        created_at=100,
        started_at=None,
        finished_at=None,
        error=None,
        error_node=None,
        records=records or {},
    )
    return replace(one, **more)  # type: ignore[arg-type]


def record(status: str, **more: object) -> Record:
    return replace(Record(NodeState(status), 1, 0, 0, 1, -1, 110, 120, 130, "w1"), **more)  # type: ignore[arg-type]


def test_a_node_that_went_well_is_told_by_its_record() -> None:
    made = history(PLAN, snapshot({A: record("C")}, status="COMPLETED", finished_at=140), [], [])
    assert made == [
        Happened(at=100, event="created"),
        Happened(at=110, event="ready", node=A, attempt=1),
        Happened(at=120, event="started", node=A, attempt=1, worker="w1"),
        Happened(at=130, event="completed", node=A, attempt=1, worker="w1"),
        Happened(at=140, event="finished", reason="COMPLETED"),
    ]


def test_what_has_not_happened_is_not_told() -> None:
    live = {A: record("R", finished_at=None), B: record("Q", started_at=None, finished_at=None, owner="")}
    told = [(one.event, one.node) for one in history(PLAN, snapshot(live), [], [])]
    assert told == [("created", None), ("ready", A), ("ready", B), ("started", A)]
    skipped = {A: Record(NodeState.SKIPPED, 0, 0, 0, 0, -1, None, None, 130)}
    assert history(PLAN, snapshot(skipped), [], [])[1:] == [Happened(at=130, event="skipped", node=A)]


@pytest.mark.parametrize(("status", "event"), [("F", "failed"), ("I", "failed")])
def test_an_attempt_that_failed_is_told_once_by_the_log(status: str, event: str) -> None:
    """The record has the same attempt, but the event has its data and the reason as well."""
    failed = Event(at=130, event="failed", node=A, attempt=2, owner="w2", queued=115, started=125, reason="Boom: x")
    made = history(PLAN, snapshot({A: record(status, attempt=2)}), [failed], [])
    assert made == [
        Happened(at=100, event="created"),
        Happened(at=115, event="ready", node=A, attempt=2),
        Happened(at=125, event="started", node=A, attempt=2, worker="w2"),
        Happened(at=130, event=event, node=A, attempt=2, worker="w2", reason="Boom: x"),
    ]


def test_a_lost_attempt_is_told_beside_the_one_that_went_well() -> None:
    log = [
        Event(at=112, event="sent again", node=A, attempt=1, owner="", queued=110),
        Event(at=115, event="lost", node=A, attempt=1, owner="w1", queued=110, started=112, reason="WorkerLost: y"),
    ]
    made = history(PLAN, snapshot({A: record("C", attempt=2, queued_at=116)}), log, [])
    assert [(one.at, one.event, one.attempt, one.worker, one.reason) for one in made[1:]] == [
        (110, "ready", 1, None, None),
        (112, "started", 1, "w1", None),
        (112, "sent again", 1, None, None),
        (115, "lost", 1, "w1", "WorkerLost: y"),
        (116, "ready", 2, None, None),
        (120, "started", 2, "w1", None),
        (130, "completed", 2, "w1", None),
    ]


def test_each_epoch_has_what_was_run_in_it() -> None:
    log = [
        Event(at=105, event="paused"),
        Event(at=150, event="rerun", epoch=2, reason="again"),
        Event(at=160, event="failed", node=B, attempt=3, owner="w3", queued=155, started=156, reason="Boom: x"),
    ]
    old = Archived(1, B, record("C"), b"1")
    now = snapshot({A: record("C"), B: record("F", attempt=3)}, epoch=2, status="FAILED", finished_at=161)
    made = history(PLAN, now, log, [old])
    of_b = [(one.at, one.event, one.epoch) for one in made if one.node == B]
    assert of_b == [
        (110, "ready", 1),
        (120, "started", 1),
        (130, "completed", 1),
        (155, "ready", 2),
        (156, "started", 2),
        (160, "failed", 2),
    ]
    of_all = [(one.at, one.event, one.epoch, one.reason) for one in made if one.node is None]
    assert of_all == [
        (100, "created", 1, None),
        (105, "paused", 1, None),
        (150, "rerun", 2, "again"),
        (161, "finished", 2, "FAILED"),
    ]


def test_of_one_moment_parents_come_before_children_and_a_life_is_in_order() -> None:
    same = record("C", queued_at=100, started_at=100, finished_at=100)
    log = [Event(at=100, event="paused"), Event(at=100, event="lost", node=D, attempt=9, owner="w")]
    made = history(PLAN, snapshot({D: same, C: same, A: same}, finished_at=100, status="COMPLETED"), log, [])
    life = ["ready", "started", "completed"]
    assert [(one.node, one.event) for one in made] == [
        (None, "created"),
        (None, "paused"),
        *((A, event) for event in life),
        *((C, event) for event in life),
        (D, "ready"),
        (D, "started"),
        (D, "lost"),
        (D, "completed"),
        (None, "finished"),
    ]


def test_of_one_moment_each_kind_has_its_place() -> None:
    """They are in the order of a node's life, whatever the order of the input; unknown kinds are last."""
    kinds = ["ready", "started", "sent again", "lost", "failed", "completed", "skipped", "unheard of"]
    log = [Event(at=100, event=kind, node=A, attempt=8) for kind in reversed(kinds)]
    assert [one.event for one in history(PLAN, snapshot(), log, []) if one.node == A] == kinds
    of_all = [Event(at=100, event=kind) for kind in ("resumed", "rerun", "paused")]
    told = [one.event for one in history(PLAN, snapshot(), of_all, [])]
    assert told == ["created", "rerun", "resumed", "paused"]


ERRORS = {A: json.dumps({"type": "Boom", "message": "m" * 300}).encode()}


@pytest.mark.parametrize(
    ("records", "more", "sentence"),
    [
        ({}, {}, "it waits for b (PENDING), c (PENDING)"),
        ({B: record("C"), C: record("R")}, {}, "it waits for c (RUNNING)"),
        ({B: record("F"), C: record("S")}, {}, "it waits for b (FAILED), c (SKIPPED)"),
        ({B: record("Q"), C: record("I")}, {}, "it waits for b (PENDING)"),
        ({B: record("C"), C: record("I")}, {}, "its parents have all ended, and the next sweep makes it ready"),
        (
            {D: record("R", attempt=3)},
            {},
            "attempt 3 runs in worker w1, which extends its lease while it does",
        ),
        ({D: record("Q")}, {"paused": True}, "it is ready, and held back while the instance is paused"),
        (
            {D: record("Q", attempt=3, failures=2, lost=1)},
            {},
            "attempt 3 starts after the backoff of its retry_policy (2 failures)",
        ),
        ({D: record("Q", attempt=2, lost=1)}, {}, "attempt 2 waits for a worker, alone: 1 lost it before"),
        (
            {D: record("Q", sends=4)},
            {},
            "it is ready; of its messages 4 were sent, and no worker has taken one",
        ),
        ({D: record("C", attempt=2)}, {}, "it completed at attempt 2, run by worker w1"),
        ({D: record("C", owner="")}, {}, "it completed at attempt 1, run by worker unknown"),
        ({D: record("F", attempt=3, failures=2, lost=1)}, {}, "it failed at attempt 3 (2 failed, 1 lost)"),
        (
            {D: record("I", failures=1)},
            {},
            "it failed at attempt 1 (1 failed, 0 lost); its on_failure is ignore",
        ),
        (
            {D: record("F", failures=1)},
            {"errors": {D: ERRORS[A]}},
            f"it failed at attempt 1 (1 failed, 0 lost): Boom: {'m' * 200}",
        ),
        ({D: record("S"), B: record("F"), A: record("F")}, {}, "it was skipped because a, b failed"),
        ({D: record("S"), A: record("I")}, {}, "it was skipped"),
    ],
)
def test_why_a_node_is_where_it_is(records: dict[int, Record], more: dict[str, object], sentence: str) -> None:
    assert why(PLAN, snapshot(records, **more), D, terminal=False) == sentence


@pytest.mark.parametrize("records", [{}, {D: record("Q")}, {D: record("R")}])
def test_what_was_live_when_its_instance_ended_is_where_that_left_it(records: dict[int, Record]) -> None:
    ended = snapshot(records, status="CANCELLED")
    assert why(PLAN, ended, D, terminal=True) == "it had not ended when the instance became CANCELLED"
    done = snapshot({D: record("C")}, status="CANCELLED")
    assert why(PLAN, done, D, terminal=True) == "it completed at attempt 1, run by worker w1"


@pytest.mark.parametrize(("count", "listed"), [(5, "n0, n1, n2, n3, n4"), (6, "n0, n1, n2, n3, n4 and 1 more")])
def test_of_many_names_five_are_shown(count: int, listed: str) -> None:
    assert events._listed([f"n{number}" for number in range(count)]) == listed
