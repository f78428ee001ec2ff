"""Lists: filters, how pages join, and where the search ends. tests/integration/test_control.py has them with Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from chalicelib.core.records import Listed, StoredWorkflow
from chalicelib.states import InstanceStatus
from chalicelib.usecases import listing
from chalicelib.usecases.listing import Filter, Listings
from chalicelib.usecases.resolver import Resolver

COUNTS = {"total": 1, "pending": 0, "running": 0, "completed": 1, "failed": 0, "skipped": 0, "cancelled": 0}


def listed(number: int, **more: Any) -> Listed:
    given: dict[str, Any] = {"name": "n", "tags": {}, "execution_id": "ex-1", "status": "COMPLETED", **more}
    given |= {"created_at": number, "started_at": None, "finished_at": None}
    return Listed(instance_id=f"in-{number:04}", counts=COUNTS, epoch=1, paused=False, **given)


class Shelf:
    """A catalogue of given entries, the newest first, which records how many were requested."""

    def __init__(self, *entries: Listed) -> None:
        self._entries = sorted(entries, key=lambda one: one.instance_id, reverse=True)
        self.asked: list[int] = []

    def instances(self, *, statuses: Sequence[str], before: str | None, limit: int) -> list[Listed]:
        self.asked.append(limit)
        fit = [one for one in self._entries if one.status in statuses and (before is None or one.instance_id < before)]
        return fit[:limit]

    def counts(self) -> dict[str, int]:
        return {"COMPLETED": len(self._entries)}

    def workflows(self, *, before: str | None, limit: int) -> list[StoredWorkflow]:
        document = b'{"tags": {"a": "1", "b": "2"}, "dag": {"nodes": [{}, {}]}}'
        stored = [StoredWorkflow(f"ex-{number}", "n", document, number, None) for number in (3, 2, 1)]
        return [one for one in stored if before is None or one.execution_id < before][:limit]


def page(shelf: Shelf, wanted: Filter, limit: int = 50, cursor: str | None = None) -> tuple[list[int], str | None]:
    found = Listings(shelf, cast(Resolver, None)).instances(wanted, limit=limit, cursor=cursor)
    assert found.counts == {InstanceStatus.COMPLETED: len(shelf._entries)}
    return [int(one.instance_id[3:]) for one in found.instances], found.next


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"a": "1"}, [4, 2, 1]),
        ({"a": "1", "b": "2"}, [4]),  # all must match, not any
        ({"b": "2", "a": "1"}, [4]),
        ({"a": "2"}, []),
        ({"a": ""}, []),  # entries without the tag do not match
        ({"c": "1"}, []),
    ],
)
def test_of_several_tags_all_must_fit(tags: dict[str, str], found: list[int]) -> None:
    shelf = Shelf(
        listed(1, tags={"a": "1", "b": "3"}),
        listed(2, tags={"a": "1"}),
        listed(3, tags={"b": "2"}),
        listed(4, tags={"a": "1", "b": "2", "c": "3"}),
    )
    assert page(shelf, Filter(tags=tags)) == (found, None)


def test_a_workflow_is_found_by_all_of_its_tags() -> None:
    def found(**tags: str) -> int:
        return len(Listings(Shelf(), cast(Resolver, None)).workflows(Filter(tags=tags), limit=9, cursor=None).workflows)

    assert (found(a="1", b="2"), found(a="1", b="3"), found(b="1")) == (3, 0, 0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(name="ß"), [3]),
        (Filter(name="STRASSE"), [3]),
        (Filter(name="night"), [2, 1]),
        (Filter(name="NIGHTLY b"), [2]),
        (Filter(execution_id="ex-2"), [2]),
        (Filter(execution_id="ex"), []),
        (Filter(since=2), [3, 2]),
        (Filter(until=2), [2, 1]),
        (Filter(since=2, until=2), [2]),
        (Filter(since=3, until=1), []),
        (Filter(statuses=(InstanceStatus.FAILED, InstanceStatus.RUNNING)), [3, 1]),
        (Filter(name="night", execution_id="ex-1", since=1, until=1, statuses=(InstanceStatus.FAILED,)), [1]),
        (Filter(name="night", execution_id="ex-2", statuses=(InstanceStatus.FAILED,)), []),
    ],
)
def test_every_filter_must_fit(wanted: Filter, found: list[int]) -> None:
    shelf = Shelf(
        listed(1, name="Nightly a", status="FAILED"),
        listed(2, name="nightly B", execution_id="ex-2"),
        listed(3, name="Straße", status="RUNNING"),
    )
    assert page(shelf, wanted) == (found, None)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_pages_join_without_a_gap_or_a_double(limit: int) -> None:
    shelf = Shelf(*(listed(number, tags={"odd": str(number % 2)}) for number in range(1, 120)))
    found: list[int] = []
    cursor, pages = None, 0
    while True:
        some, cursor = page(shelf, Filter(tags={"odd": "1"}), limit, cursor)
        assert len(some) <= limit
        found, pages = found + some, pages + 1
        if cursor is None:
            break
    assert found == list(range(119, 0, -2))
    assert pages >= len(found) // limit


def test_a_filter_that_fits_few_ends_with_a_short_page_and_a_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 100)
    shelf = Shelf(listed(1, name="rare"), *(listed(number) for number in range(2, 300)))
    assert page(shelf, Filter(name="rare")) == ([], "in-0200")
    assert sum(shelf.asked) == 100
    assert page(shelf, Filter(name="rare"), cursor="in-0200") == ([], "in-0100")
    assert page(shelf, Filter(name="rare"), cursor="in-0100") == ([1], None)


def test_nothing_is_looked_at_that_is_older_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(*(listed(number) for number in range(1, 1000)))
    assert page(shelf, Filter(since=990), limit=5) == ([999, 998, 997, 996, 995], "in-0995")
    assert page(shelf, Filter(since=990), limit=5, cursor="in-0995") == ([994, 993, 992, 991, 990], "in-0990")
    assert page(shelf, Filter(since=990), limit=5, cursor="in-0990") == ([], None)
    assert shelf.asked == [50, 50, 50]
