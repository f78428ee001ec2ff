"""Lists workflows and instances: filtered, the newest first, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from chalicelib.core.records import Listed, StoredWorkflow
from chalicelib.models.views import InstanceList, InstanceSummary, Progress, WorkflowList, WorkflowSummary, WorkflowView
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Catalogue
from chalicelib.usecases.present import moment, rfc3339
from chalicelib.usecases.resolver import Resolver

# How many entries one request reads at most. If few of them match, the page is short, and has a `next`.
LOOKED_AT = 1000


class _Entry(Protocol):
    @property
    def created_at(self) -> int: ...


E = TypeVar("E", bound=_Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The conditions that an entry must meet. Times are in ms since 1970; `name` is a substring, in any case."""

    statuses: Sequence[InstanceStatus] = tuple(InstanceStatus)
    name: str = ""
    tags: Mapping[str, str] | None = None
    execution_id: str | None = None
    since: int | None = None
    until: int | None = None

    def fits(self, name: str, tags: Mapping[str, str], created_at: int, execution_id: str) -> bool:
        return (
            self.name.casefold() in name.casefold()
            and all(tags.get(key) == value for key, value in (self.tags or {}).items())
            and (self.execution_id is None or self.execution_id == execution_id)
            and (self.until is None or created_at <= self.until)
            and (self.since is None or created_at >= self.since)
        )


class Listings:
    """The use cases. Order and retention are the catalogue's: see store/protocol.py."""

    def __init__(self, catalogue: Catalogue, resolver: Resolver) -> None:
        self._catalogue = catalogue
        self._resolver = resolver

    def instances(self, wanted: Filter, *, limit: int, cursor: str | None) -> InstanceList:
        statuses = [status.value for status in wanted.statuses]
        found, following = _page(
            lambda before, count: self._catalogue.instances(statuses=statuses, before=before, limit=count),
            lambda one: wanted.fits(one.name, one.tags, one.created_at, one.execution_id),
            lambda one: one.instance_id,
            wanted,
            limit,
            cursor,
        )
        counts = {InstanceStatus(status): count for status, count in self._catalogue.counts().items()}
        return InstanceList(instances=[_instance(one) for one in found], next=following, counts=counts)

    def workflows(self, wanted: Filter, *, limit: int, cursor: str | None) -> WorkflowList:
        found, following = _page(
            lambda before, count: self._catalogue.workflows(before=before, limit=count),
            lambda one: wanted.fits(one.name, _document(one).get("tags", {}), one.created_at, one.execution_id),
            lambda one: one.execution_id,
            wanted,
            limit,
            cursor,
        )
        return WorkflowList(workflows=[_workflow(one) for one in found], next=following)

    def workflow(self, execution_id: str) -> WorkflowView:
        stored = self._resolver.workflow(execution_id)
        return WorkflowView(
            execution_id=stored.execution_id,
            name=stored.name,
            created_at=rfc3339(stored.created_at),
            latest=stored.latest,
            definition=_document(stored),
        )


def _page(
    read: Callable[[str | None, int], list[E]],
    fits: Callable[[E], bool],
    id: Callable[[E], str],
    wanted: Filter,
    limit: int,
    cursor: str | None,
) -> tuple[list[E], str | None]:
    """The entries that match, and the cursor of the next page, or None after the last one."""
    found: list[E] = []
    looked_at = 0
    while looked_at < LOOKED_AT:
        some = read(cursor, min(LOOKED_AT - looked_at, max(2 * limit, 50)))
        if not some:
            return found, None
        looked_at += len(some)
        for one in some:
            cursor = id(one)
            if wanted.since is not None and one.created_at < wanted.since:
                return found, None
            if fits(one):
                found.append(one)
                if len(found) == limit:
                    return found, cursor
    return found, cursor


def _instance(one: Listed) -> InstanceSummary:
    return InstanceSummary(
        instance_id=one.instance_id,
        execution_id=one.execution_id,
        name=one.name,
        status=InstanceStatus(one.status),
        paused=one.paused,
        epoch=one.epoch,
        tags=dict(one.tags),
        progress=Progress(**one.counts),
        created_at=rfc3339(one.created_at),
        started_at=moment(one.started_at),
        finished_at=moment(one.finished_at),
    )


def _workflow(one: StoredWorkflow) -> WorkflowSummary:
    document = _document(one)
    return WorkflowSummary(
        execution_id=one.execution_id,
        name=one.name,
        nodes=len(document.get("dag", {}).get("nodes", [])),
        tags=document.get("tags", {}),
        created_at=rfc3339(one.created_at),
        latest=one.latest,
    )


def _document(one: StoredWorkflow) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(one.document)
    return document
