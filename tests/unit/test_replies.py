"""Redis's replies as values, including those about instances of older releases, which lack newer fields."""

from __future__ import annotations

import pytest

from chalicelib.core.records import Archived, Event, Listed, Record, Snapshot
from chalicelib.states import NodeState
from chalicelib.store import replies

COUNTS = {"total": 9, "running": 1, "completed": 2, "failed": 1, "skipped": 1, "cancelled": 1}
META = {
    b"execution_id": b"ex-1",
    b"status": b"RUNNING",
    b"created_at": b"5",
    **{name.encode(): str(count).encode() for name, count in COUNTS.items()},
}
OLD = Snapshot("in-1", "ex-1", "RUNNING", COUNTS | {"pending": 3}, 5, None, None, None, None)


def test_what_an_older_release_did_not_write_has_its_default() -> None:
    assert replies.snapshot("in-1", META, {}, {}) == OLD
    assert (OLD.paused, OLD.epoch, OLD.name, OLD.tags, OLD.forgotten, OLD.calls, OLD.messages) == (
        *(False, 1, "", {}, 0, 0, 0),
    )


def test_every_field_is_read_by_its_name() -> None:
    more = {b"started_at": b"6", b"finished_at": b"7", b"error": b"{}", b"error_node": b"0", b"paused": b"1"}
    more |= {b"epoch": b"2", b"name": "é".encode(), b"tags": b'{"a":"b"}', b"forgotten": b"3", b"calls": b"4"}
    found = replies.snapshot("in-1", META | more | {b"messages": b"8"}, {}, {b"2": b"x"})
    assert found == Snapshot(
        instance_id="in-1",
        execution_id="ex-1",
        status="RUNNING",
        counts=COUNTS | {"pending": 3},
        created_at=5,
        started_at=6,
        finished_at=7,
        error=b"{}",
        error_node=0,
        paused=True,
        epoch=2,
        name="é",
        tags={"a": "b"},
        forgotten=3,
        calls=4,
        messages=8,
        records={},
        errors={2: b"x"},
    )


def test_the_trigger_is_no_node() -> None:
    nodes = {b"-1": b"C:0:0:0:0:500::::", b"0": b"Q:1:0:0:1:-1:5:::"}
    assert list(replies.snapshot("in-1", META, nodes, {}).records) == [0]


@pytest.mark.parametrize(
    ("raw", "record"),
    [
        (b"R:2:1:3:4:-1:5:6::a:b", Record(NodeState.RUNNING, 2, 1, 3, 4, -1, 5, 6, None, "a:b")),
        (b"C:1:0:0:1:500:5:6:7:w", Record(NodeState.COMPLETED, 1, 0, 0, 1, 500, 5, 6, 7, "w")),
        (b"S:0:0:0:0:-1:::9:", Record(NodeState.SKIPPED, 0, 0, 0, 0, -1, None, None, 9, "")),
    ],
)
def test_a_record_is_ten_fields_of_which_the_last_may_hold_colons(raw: bytes, record: Record) -> None:
    assert replies.record(raw) == record


@pytest.mark.parametrize(("rest", "result"), [(b"\n[1,\n2]", b"[1,\n2]"), (b"\n", None), (b"", None)])
def test_an_archived_node_has_its_record_and_its_result(rest: bytes, result: bytes | None) -> None:
    was = Record(NodeState.COMPLETED, 1, 0, 0, 1, -1, 5, 6, 7, "w")
    assert replies.archived(b"3:12", b"C:1:0:0:1:-1:5:6:7:w" + rest) == Archived(3, 12, was, result)


def test_a_hash_is_flat_or_a_map() -> None:
    assert (
        replies.pairs([b"a", b"1", b"b", b"2"]) == replies.pairs({b"a": b"1", b"b": b"2"}) == {b"a": b"1", b"b": b"2"}
    )
    assert replies.pairs([]) == {}


def test_an_event_is_what_was_noted() -> None:
    assert replies.event(b'{"at":1,"event":"lost","node":2,"reason":"x"}') == Event(1, "lost", node=2, reason="x")


def test_a_field_that_a_newer_release_added_to_an_event_is_ignored() -> None:
    assert replies.event(b'{"at":1,"event":"lost","node":2,"later":{"a":[1]}}') == Event(1, "lost", node=2)


def test_a_list_shows_what_is_there_and_leaves_out_what_is_gone() -> None:
    assert replies.listed("in-1", [None] * len(replies.LISTED)) is None
    values = [META.get(name.encode()) for name in replies.LISTED]
    one = replies.listed("in-1", values)
    counts = COUNTS | {"pending": 3}
    assert one == Listed("in-1", "ex-1", "RUNNING", "", {}, counts, 5, None, None, 1, False)
    given = dict(zip(replies.LISTED, values, strict=True))
    given |= {
        "started_at": b"6",
        "finished_at": b"7",
        "name": b"n",
        "tags": b'{"a":"b"}',
        "epoch": b"2",
        "paused": b"1",
    }
    one = replies.listed("in-1", list(given.values()))
    assert one == Listed("in-1", "ex-1", "RUNNING", "n", {"a": "b"}, counts, 5, 6, 7, 2, True)
