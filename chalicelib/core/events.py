"""The history of an instance, from the records of its nodes and from the events that these do not show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.core import graph, node_error
from chalicelib.core.plan import Plan
from chalicelib.core.records import Archived, Event, Record, Snapshot
from chalicelib.states import NodeState, NodeStatus

# How events of the same moment are sorted: in the order of a node's life.
_ORDER = ("created", "rerun", "ready", "started", "sent again", "lost", "failed", "completed", "skipped")
# An attempt that ended this way is in the log with its times, so its record is left out.
_LOGGED = ("failed", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """`node` is an index, None for the instance itself; `worker` the claim that ran it; `at` in ms since 1970."""

    at: int
    event: str
    node: int | None = None
    attempt: int | None = None
    epoch: int = 1
    worker: str | None = None
    reason: str | None = None


def history(plan: Plan, snapshot: Snapshot, log: Sequence[Event], archive: Sequence[Archived]) -> list[Happened]:
    """All known events, the oldest first; within one millisecond, parents before their children."""
    known = {(event.node, event.attempt) for event in log if event.event in _LOGGED}
    made = [Happened(at=snapshot.created_at, event="created"), *_logged(log)]
    for node, record in snapshot.records.items():
        made += _of_record(node, record, snapshot.epoch, known)
    for old in archive:
        made += _of_record(old.node, old.record, old.epoch, known)
    if snapshot.finished_at is not None:
        made.append(Happened(at=snapshot.finished_at, event="finished", epoch=snapshot.epoch, reason=snapshot.status))
    rank = {node: place for place, node in enumerate(graph.topological_order([n.dependencies for n in plan.nodes]))}
    last = len(rank)

    def place(one: Happened) -> tuple[int, int, int]:
        order = _ORDER.index(one.event) if one.event in _ORDER else len(_ORDER)
        return one.at, last if one.event == "finished" else -1 if one.node is None else rank[one.node], order

    return sorted(made, key=place)


def _logged(log: Iterable[Event]) -> Iterator[Happened]:
    epoch = 1
    for event in log:
        epoch = event.epoch or epoch
        if event.event in _LOGGED:
            yield from _begun(event.node, event.attempt, event.queued, event.started, epoch, event.owner)
        yield Happened(
            at=event.at,
            event=event.event,
            node=event.node,
            attempt=event.attempt,
            epoch=epoch,
            worker=event.owner or None,
            reason=event.reason or None,
        )


def _of_record(node: int, record: Record, epoch: int, known: set[tuple[int | None, int | None]]) -> Iterator[Happened]:
    if (node, record.attempt) in known:
        return
    attempt, worker = record.attempt or None, record.owner or None
    yield from _begun(node, attempt, record.queued_at, record.started_at, epoch, worker)
    if record.finished_at is not None:
        event = record.state.status.lower()
        yield Happened(at=record.finished_at, event=event, node=node, attempt=attempt, epoch=epoch, worker=worker)


def _begun(
    node: int | None, attempt: int | None, queued: int | None, started: int | None, epoch: int, worker: str | None
) -> Iterator[Happened]:
    if queued is not None:
        yield Happened(at=queued, event="ready", node=node, attempt=attempt, epoch=epoch)
    if started is not None:
        yield Happened(at=started, event="started", node=node, attempt=attempt, epoch=epoch, worker=worker or None)


def why(plan: Plan, snapshot: Snapshot, node: int, *, terminal: bool) -> str:
    """One sentence: why a node is where it is."""
    record = snapshot.records.get(node)
    if record is None or record.state.live:
        if terminal:
            return f"it had not ended when the instance became {snapshot.status}"
        return _waits(plan, snapshot, node) if record is None else _lives(snapshot, record)
    if record.state is NodeState.COMPLETED:
        return f"it completed at attempt {record.attempt}, run by worker {record.owner or 'unknown'}"
    if record.state is NodeState.SKIPPED:
        above = graph.reachable([one.dependencies for one in plan.nodes], [node])
        failed = [plan.nodes[one].id for one in sorted(above) if _state(snapshot, one) is NodeState.FAILED]
        return f"it was skipped because {_listed(failed)} failed" if failed else "it was skipped"
    ignored = "; its on_failure is ignore" if record.state is NodeState.IGNORED else ""
    tries = f"{record.failures} failed, {record.lost} lost"
    return f"it failed at attempt {record.attempt} ({tries}){ignored}{_reason(snapshot, node)}"


def _reason(snapshot: Snapshot, node: int) -> str:
    if node not in snapshot.errors:
        return ""
    error = node_error.decode(snapshot.errors[node])
    return f": {error.type}: {error.message[:200]}"


def _waits(plan: Plan, snapshot: Snapshot, node: int) -> str:
    waiting = [
        f"{plan.nodes[parent].id} ({NodeStatus.PENDING if state is None else state.status})"
        for parent in plan.nodes[node].dependencies
        if (state := _state(snapshot, parent)) is None or not state.satisfies
    ]
    if not waiting:
        return "its parents have all ended, and the next sweep makes it ready"
    return f"it waits for {_listed(waiting)}"


def _lives(snapshot: Snapshot, record: Record) -> str:
    if record.state is NodeState.RUNNING:
        return f"attempt {record.attempt} runs in worker {record.owner}, which extends its lease while it does"
    if snapshot.paused:
        return "it is ready, and held back while the instance is paused"
    if record.failures:
        return f"attempt {record.attempt} starts after the backoff of its retry_policy ({record.failures} failures)"
    if record.lost:
        return f"attempt {record.attempt} waits for a worker, alone: {record.lost} lost it before"
    return f"it is ready; of its messages {record.sends} were sent, and no worker has taken one"


def _state(snapshot: Snapshot, node: int) -> NodeState | None:
    return snapshot.records[node].state if node in snapshot.records else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
