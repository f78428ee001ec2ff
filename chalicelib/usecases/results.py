"""Shows the results of an instance: as many as one answer has room for, or one alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from chalicelib.core.plan import Plan
from chalicelib.core.records import Snapshot
from chalicelib.core.rerun import as_of
from chalicelib.errors import NotFound, StillRunning, ValueLost
from chalicelib.models.views import LargeResult
from chalicelib.states import InstanceStatus
from chalicelib.store.protocol import Store
from chalicelib.usecases import present
from chalicelib.usecases.resolver import Resolver, find_node, no_node
from chalicelib.values import reference
from chalicelib.values.offload import Offload


@dataclass(frozen=True, slots=True)
class Found:
    """A result as JSON, or the address at which it can be read."""

    value: bytes = b""
    url: str | None = None


class Results:
    """The use cases. `room` is how many bytes of results fit into one answer."""

    def __init__(self, *, store: Store, resolver: Resolver, offload: Offload, room: int) -> None:
        self._store = store
        self._resolver = resolver
        self._offload = offload
        self._room = room

    def of(self, id: str, epoch: int | None = None, *, mount: str = "") -> str:
        """A ResultsView as JSON. The instance must be terminal, unless an earlier epoch is asked for.

        `mount` is the prefix of paths in links.
        """
        now = self._ended(id, epoch)
        plan = self._resolver.plan(now.execution_id)
        values, others = self._fitting(self._values(now, epoch), present.output_nodes(plan)[0])
        where = f"{mount}/api/workflows/{now.instance_id}/results"
        large = _links(plan, others, where, f"?epoch={epoch}" if epoch else "")
        return present.results(now, epoch or now.epoch, plan, values, large)

    def finished(self, now: Snapshot, plan: Plan, *, mount: str = "") -> str:
        """A Finished as JSON: how a terminal instance ended, and its output. `mount` is as in `of`."""
        ends, _ = present.output_nodes(plan)
        values, others = self._fitting(self._store.results(now.instance_id, ends), ())
        large = _links(plan, others, f"{mount}/api/workflows/{now.instance_id}/results")
        return present.finished(now, plan, values, large)

    def of_node(self, id: str, node: str, epoch: int | None = None) -> Found:
        """The result of one node. One that no answer has room for is linked, if its storage has links."""
        now = self._ended(id, epoch)
        plan = self._resolver.plan(now.execution_id)
        index = find_node(plan, node)
        if index is None:
            raise NotFound(f"{no_node(node)} in this workflow")
        stored = self._values(now, epoch).get(index)
        if stored is None:
            raise NotFound(f"node `{node}` of instance `{now.instance_id}` has no result")
        if reference.is_reference(stored) and _size(stored) > self._room and (url := self._offload.link(stored)):
            return Found(url=url)
        return Found(self._offload.get(stored))

    def _ended(self, id: str, epoch: int | None) -> Snapshot:
        """The instance, if the results of the epoch are final."""
        found = self._resolver.instance_or_workflow(id)
        if not isinstance(found, str):
            raise StillRunning(f"workflow `{id}` was never triggered: there are no results")
        now = self._resolver.snapshot(found, whole=False)
        if epoch is not None and not 1 <= epoch <= now.epoch:
            raise NotFound(f"instance `{now.instance_id}` has no epoch {epoch}: it is in its epoch {now.epoch}")
        if not _is_past(now, epoch) and not InstanceStatus(now.status).terminal:
            raise StillRunning(
                f"instance `{now.instance_id}` is {now.status}: ask again, or wait with ?wait= on its status"
            )
        return now

    def _values(self, now: Snapshot, epoch: int | None) -> dict[int, bytes]:
        """The values of an epoch, as they are stored."""
        values = self._store.results(now.instance_id)
        if _is_past(now, epoch):
            return as_of(values, self._store.archive(now.instance_id), epoch or 1)
        return values

    def _fitting(
        self, values: Mapping[int, bytes], output: Collection[int]
    ) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """The values that there is room for, taken from the smallest up, and the others as they are stored."""
        fitting: dict[int, bytes] = {}
        others: dict[int, bytes] = {}
        twice, room = set(output), self._room
        for number, stored in sorted(values.items(), key=lambda item: _size(item[1])):
            times = 1 + (number in twice)
            value = self._read(stored) if times * _size(stored) <= room else None
            if value is None or times * _weight(value) > room:
                others[number] = stored
            else:
                fitting[number] = value
                room -= times * _weight(value)
        return fitting, others

    def _read(self, stored: bytes) -> bytes | None:
        """The value, or None if it is lost, so that the others can still be shown."""
        try:
            return self._offload.get(stored)
        except ValueLost:
            return None


def _is_past(now: Snapshot, epoch: int | None) -> bool:
    return epoch is not None and epoch < now.epoch


def _links(plan: Plan, others: Mapping[int, bytes], where: str, query: str = "") -> dict[int, LargeResult]:
    """What stands for the results that an answer has no room for."""
    return {
        number: LargeResult(
            bytes=_size(stored), sha256=_sha256(stored), href=f"{where}/{quote(plan.nodes[number].id, safe='')}{query}"
        )
        for number, stored in others.items()
    }


def _size(stored: bytes) -> int:
    return reference.decode(stored).size if reference.is_reference(stored) else len(stored)


def _sha256(stored: bytes) -> str:
    if reference.is_reference(stored):
        return reference.decode(stored).sha256
    return hashlib.sha256(stored).hexdigest()


def _weight(value: bytes) -> int:
    """The size in the response of a Lambda function: the body is a JSON string there, with quotes and \\ escaped."""
    return len(value) + value.count(b'"') + value.count(b"\\")
