"""Makes the answers of the HTTP interface from what the store has. Pure."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from chalicelib.core import node_error
from chalicelib.core.plan import Plan
from chalicelib.core.records import Record, Snapshot, StoredWorkflow
from chalicelib.models.views import (
    ErrorView,
    Finished,
    LargeResult,
    NodeView,
    Planned,
    Progress,
    ResultsView,
    StatusView,
    Usage,
    WebhookView,
)
from chalicelib.states import InstanceStatus, NodeStatus


def rfc3339(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, with milliseconds."""
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # Formatting takes most of the time of a large status, and its times share their seconds.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def never_triggered(workflow: StoredWorkflow, plan: Plan, forecast: Planned, *, nodes: bool = True) -> StatusView:
    """The status of a workflow that has no instance: everything is PENDING."""
    total = len(plan.nodes)
    return StatusView(
        instance_id=None,
        epoch=1,
        execution_id=workflow.execution_id,
        name=workflow.name,
        status=InstanceStatus.PENDING,
        progress=Progress(total=total, pending=total, running=0, completed=0, failed=0, skipped=0, cancelled=0),
        created_at=rfc3339(workflow.created_at),
        usage=Usage(messages=0, transitions=0, planned=forecast),
        nodes={node.id: NodeView(status=NodeStatus.PENDING, attempt=0) for node in (plan.nodes if nodes else [])},
    )


def status(
    snapshot: Snapshot,
    plan: Plan,
    forecast: Planned | None,
    *,
    nodes: bool = True,
    webhook: WebhookView | None = None,
) -> StatusView:
    """The status of an instance, with or without its nodes."""
    terminal = InstanceStatus(snapshot.status).terminal
    return StatusView(
        instance_id=snapshot.instance_id,
        execution_id=snapshot.execution_id,
        name=plan.name,
        status=InstanceStatus(snapshot.status),
        paused=snapshot.paused,
        epoch=snapshot.epoch,
        tags=dict(snapshot.tags),
        usage=Usage(messages=snapshot.messages, transitions=snapshot.calls, planned=forecast),
        webhook=webhook,
        progress=Progress(**snapshot.counts),
        created_at=rfc3339(snapshot.created_at),
        started_at=moment(snapshot.started_at),
        finished_at=moment(snapshot.finished_at),
        error=_instance_error(snapshot, plan),
        nodes={
            node.id: _node(snapshot.records.get(number), snapshot.errors.get(number), terminal)
            for number, node in enumerate(plan.nodes if nodes else [])
        },
    )


def definition_gone(snapshot: Snapshot) -> StatusView:
    """The status of an instance whose workflow is deleted, without what only the definition had."""
    return status(snapshot, Plan(snapshot.name, [], {}), None)


def results(
    now: Snapshot, epoch: int, plan: Plan, values: Mapping[int, bytes], large: Mapping[int, LargeResult]
) -> str:
    """All committed results and the output: a ResultsView as JSON."""
    about = ResultsView(
        instance_id=now.instance_id,
        execution_id=now.execution_id,
        status=InstanceStatus(now.status),
        epoch=epoch,
        output=None,
        results={},
        large=_large_by_id(plan, large),
    )
    return _spliced(about, output=_output(plan, values), results=_by_id(plan, values, sorted(values)))


def finished(now: Snapshot, plan: Plan, values: Mapping[int, bytes], large: Mapping[int, LargeResult]) -> str:
    """How a terminal instance ended, and its output: a Finished as JSON."""
    assert now.finished_at is not None  # it is stored with the status
    about = Finished(
        instance_id=now.instance_id,
        execution_id=now.execution_id,
        status=InstanceStatus(now.status),
        created_at=rfc3339(now.created_at),
        finished_at=rfc3339(now.finished_at),
        error=_instance_error(now, plan),
        output=None,
        large=_large_by_id(plan, large),
    )
    return _spliced(about, output=_output(plan, values))


def _spliced(about: ResultsView | Finished, **values: str) -> str:
    """The model as JSON, with these fields before its `large`.

    They are JSON, copied as it is stored: a parser in between would have its own limits, and change numbers.
    """
    head, large = about.model_dump_json(exclude={*values, "large"}), about.model_dump_json(include={"large"})
    return ",".join([head[:-1], *(f'"{name}":{value}' for name, value in values.items()), large[1:]])


def _output(plan: Plan, values: Mapping[int, bytes]) -> str:
    ends, alone = output_nodes(plan)
    return values.get(ends[0], b"null").decode() if alone else _by_id(plan, values, ends)


def _large_by_id(plan: Plan, large: Mapping[int, LargeResult]) -> dict[str, LargeResult]:
    return {plan.nodes[number].id: one for number, one in sorted(large.items())}


def _by_id(plan: Plan, values: Mapping[int, bytes], nodes: Iterable[int]) -> str:
    parts = (f"{json.dumps(plan.nodes[number].id)}:{values[number].decode()}" for number in nodes if number in values)
    return "{" + ",".join(parts) + "}"


def output_nodes(plan: Plan) -> tuple[list[int], bool]:
    """The nodes whose handler is `output`, else the leaves; and whether the result of the only one is the output."""
    named = [number for number, node in enumerate(plan.nodes) if node.handler == "output"]
    return named or plan.leaves, len(named) == 1


def node_status(record: Record | None, terminal: bool) -> NodeStatus:
    """The status of a node. In a terminal instance, a node that has not ended is CANCELLED (see lua/lib/ending.lua)."""
    if terminal and (record is None or record.state.live):
        return NodeStatus.CANCELLED
    return NodeStatus.PENDING if record is None else record.state.status


def _node(record: Record | None, error: bytes | None, terminal: bool) -> NodeView:
    if record is None:
        return NodeView(status=node_status(None, terminal), attempt=0)
    return NodeView(
        node_status(record, terminal),
        record.attempt,
        moment(record.queued_at),
        moment(record.started_at),
        moment(record.finished_at),
        error_view(error),
    )


def _instance_error(snapshot: Snapshot, plan: Plan) -> ErrorView | None:
    if snapshot.error:
        return error_view(snapshot.error)
    if snapshot.error_node is None or snapshot.error_node not in snapshot.errors:
        return None
    error = node_error.decode(snapshot.errors[snapshot.error_node])
    node = plan.nodes[snapshot.error_node].id if plan.nodes else None
    return ErrorView(type=error.type, message=error.message, node=node)


def error_view(stored: bytes | None) -> ErrorView | None:
    return ErrorView(**node_error.decode(stored)._asdict()) if stored else None


def moment(milliseconds: int | None) -> str | None:
    """A time as RFC 3339; None if it has not come."""
    return None if milliseconds is None else rfc3339(milliseconds)
