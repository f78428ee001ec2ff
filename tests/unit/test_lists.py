"""Pages and filters of lists, with a catalogue in memory. tests/contract tests the store's shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.records import Listed, StoredWorkflow
from chalicelib.states import InstanceStatus
from chalicelib.usecases import listing
from chalicelib.usecases.listing import Filter, Listings

COUNTS = {"total": 6, "pending": 1, "running": 1, "completed": 1, "failed": 1, "skipped": 1, "cancelled": 1}
ONE = Listed(
    instance_id="in-0",
    execution_id="ex-0",
    status="RUNNING",
    name="Nightly Report",
    tags={"team": "a", "env": "prod"},
    counts=COUNTS,
    created_at=1_700_000_000_123,
    started_at=1_700_000_001_000,
    finished_at=None,
    epoch=3,
    paused=True,
)


class Catalogue:
    """A catalogue with a number of entries, the newest first, which records how many were requested at a time."""

    def __init__(self, count: int) -> None:
        self.all = [
            replace(ONE, instance_id=f"in-{number:05}", created_at=number, tags={"n": str(number % 10)})
            for number in reversed(range(count))
        ]
        self.asked: list[tuple[str | None, int]] = []
        self.statuses: Sequence[str] = ()

    def instances(self, *, statuses: Sequence[str], before: str | None, limit: int) -> list[Listed]:
        self.asked.append((before, limit))
        self.statuses = statuses
        return [one for one in self.all if before is None or one.instance_id < before][:limit]

    def counts(self) -> dict[str, int]:
        return {"PENDING": 1, "RUNNING": 2, "COMPLETED": 3, "FAILED": 4, "CANCELLED": 5}

    def workflows(self, *, before: str | None, limit: int) -> list[StoredWorkflow]:
        document = b'{"name": "W", "dag": {"nodes": [1, 2, 3]}, "tags": {"team": "a"}}'
        some = [StoredWorkflow(f"ex-{n}", f"W{n}", document, 1000 + n, f"in-{n}" if n else None) for n in (2, 1, 0)]
        some[2] = replace(some[2], document=b'{"name": "W"}')
        return [one for one in some if before is None or one.execution_id < before][:limit]


def page(catalogue: Catalogue, wanted: Filter | None = None, limit: int = 10, cursor: str | None = None) -> Any:
    found = Listings(catalogue, None).instances(wanted or Filter(), limit=limit, cursor=cursor)  # type: ignore[arg-type]
    return [int(one.instance_id[3:]) for one in found.instances], found.next


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Filter(), True),
        (Filter(name="REPORT"), True),
        (Filter(name="nightly report"), True),
        (Filter(name="daily"), False),
        (Filter(tags={"team": "a"}), True),
        (Filter(tags={"team": "b"}), False),
        (Filter(tags={"other": "a"}), False),
        (Filter(tags={"team": "a", "env": "prod"}), True),
        # With several tags an entry must have all of them.
        (Filter(tags={"team": "a", "env": "dev"}), False),
        (Filter(tags={"team": "b", "env": "prod"}), False),
        (Filter(execution_id="ex-0"), True),
        (Filter(execution_id="ex-1"), False),
        (Filter(since=1000), True),
        (Filter(since=1001), False),
        (Filter(since=999), True),
        (Filter(until=1000), True),
        (Filter(until=999), False),
        (Filter(until=1001), True),
        (Filter(since=1000, until=1000, name="night", tags={"env": "prod"}, execution_id="ex-0"), True),
        (Filter(since=1000, until=1000, name="day", tags={"env": "prod"}, execution_id="ex-0"), False),
    ],
)
def test_an_entry_fits_where_it_is_all_that_is_asked_for(wanted: Filter, fits: bool) -> None:
    assert wanted.fits("Nightly Report", {"team": "a", "env": "prod"}, 1000, "ex-0") is fits


def test_pages_follow_each_other_without_gap_or_overlap() -> None:
    catalogue = Catalogue(7)
    assert page(catalogue, limit=3) == ([6, 5, 4], "in-00004")
    assert page(catalogue, limit=3, cursor="in-00004") == ([3, 2, 1], "in-00001")
    assert page(catalogue, limit=3, cursor="in-00001") == ([0], None)
    assert page(catalogue, limit=7) == ([6, 5, 4, 3, 2, 1, 0], "in-00000")
    assert page(catalogue, limit=7, cursor="in-00000") == ([], None)


def test_what_does_not_fit_is_passed_over() -> None:
    catalogue = Catalogue(200)
    third = Filter(tags={"n": "3"})
    assert page(catalogue, third, limit=2) == ([193, 183], "in-00183")
    assert page(catalogue, third, limit=20) == (list(range(193, 0, -10)), "in-00003")
    assert page(catalogue, third, limit=21) == (list(range(193, 0, -10)), None)


def test_a_request_looks_through_so_many_entries_and_no_more() -> None:
    catalogue = Catalogue(listing.LOOKED_AT + 500)
    nothing = Filter(name="no such name")
    assert page(catalogue, nothing) == ([], "in-00500")
    assert sum(count for _, count in catalogue.asked) == listing.LOOKED_AT
    assert [count for _, count in catalogue.asked] == [50] * 20
    catalogue.asked.clear()
    assert page(catalogue, nothing, limit=150) == ([], "in-00500")
    assert [count for _, count in catalogue.asked] == [300, 300, 300, 100]
    assert page(catalogue, nothing, cursor="in-00500") == ([], None)


def test_what_is_older_than_asked_for_is_not_looked_at() -> None:
    catalogue = Catalogue(500)
    assert page(catalogue, Filter(since=497), limit=10) == ([499, 498, 497], None)
    assert len(catalogue.asked) == 1
    assert page(catalogue, Filter(since=497), limit=3) == ([499, 498, 497], "in-00497")
    assert page(catalogue, Filter(until=3), limit=10)[0] == [3, 2, 1, 0]


def test_an_instance_is_shown_with_all_that_is_known() -> None:
    catalogue = Catalogue(0)
    catalogue.all = [ONE]
    found = Listings(catalogue, None).instances(  # type: ignore[arg-type]
        Filter(statuses=(InstanceStatus.RUNNING, InstanceStatus.FAILED)), limit=1, cursor=None
    )
    assert catalogue.statuses == ["RUNNING", "FAILED"]
    assert {status.value: count for status, count in found.counts.items()} == catalogue.counts()
    assert found.instances[0].model_dump(mode="json") == {
        "instance_id": "in-0",
        "execution_id": "ex-0",
        "name": "Nightly Report",
        "status": "RUNNING",
        "paused": True,
        "epoch": 3,
        "tags": {"team": "a", "env": "prod"},
        "progress": COUNTS,
        "created_at": "2023-11-14T22:13:20.123Z",
        "started_at": "2023-11-14T22:13:21.000Z",
        "finished_at": None,
    }


def test_workflows_are_filtered_by_the_tags_of_their_definition() -> None:
    listings = Listings(Catalogue(0), None)  # type: ignore[arg-type]
    found = listings.workflows(Filter(), limit=10, cursor=None)
    assert [one.model_dump() for one in found.workflows[1:]] == [
        {
            "execution_id": "ex-1",
            "name": "W1",
            "nodes": 3,
            "tags": {"team": "a"},
            "created_at": "1970-01-01T00:00:01.001Z",
            "latest": "in-1",
        },
        {
            "execution_id": "ex-0",
            "name": "W0",
            "nodes": 0,
            "tags": {},
            "created_at": "1970-01-01T00:00:01.000Z",
            "latest": None,
        },
    ]
    tagged = listings.workflows(Filter(tags={"team": "a"}), limit=10, cursor=None).workflows
    assert [one.execution_id for one in tagged] == ["ex-2", "ex-1"]
    some = listings.workflows(Filter(), limit=2, cursor=None)
    assert ([one.execution_id for one in some.workflows], some.next) == (["ex-2", "ex-1"], "ex-1")
    rest = listings.workflows(Filter(name="w0"), limit=2, cursor="ex-1")
    assert ([one.execution_id for one in rest.workflows], rest.next) == (["ex-0"], None)
