"""The store on Redis or Valkey: the transitions of instances, one method for each, and the parts that it inherits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.calls import (
    NO_TERMS,
    Children,
    Claim,
    Claimed,
    Completion,
    Dispatching,
    Done,
    Due,
    Hop,
    RerunNodes,
    Settled,
    Terms,
    Transitioned,
    Unsettled,
    Wanted,
)
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready, Ref
from chalicelib.store.reads import MOST_ARGUMENTS, InstanceReads
from chalicelib.store.workflows import WorkflowStore

LOST_ERROR = json.dumps(
    {
        "type": "WorkerLost",
        "message": "the worker that ran this attempt stopped without a word (killed, out of memory, or cut off)",
    }
)
LATE_ERROR = json.dumps(
    {"type": "TimedOut", "message": "the instance took longer than the timeout_seconds of its workflow"}
)


class RedisStore(WorkflowStore, InstanceReads):
    """See store/protocol.py. Raises Unavailable if Redis cannot be reached or refuses to write."""

    def __init__(
        self,
        client: Any,
        *,
        retention_seconds: int,
        workflow_retention_seconds: int,
        idempotency_seconds: int,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(client, overrides)
        self._retention_ms = retention_seconds * 1000
        self._workflow_seconds = workflow_retention_seconds
        self._idempotency_seconds = idempotency_seconds

    def create(
        self, ref: Ref, *, total: int, params: bytes, roots: Children, by: Dispatching, terms: Terms = NO_TERMS
    ) -> tuple[Outcome, int]:
        reply = self._run(
            "create",
            ref.instance_id,
            roots.items,
            execution_id=ref.execution_id,
            total=total,
            params=params,
            retention_ms=self._retention_ms,
            taken=by.taken,
            resend_ms=by.resend_ms,
            cursor=roots.cursor,
            terms=_terms(terms, total),
        )
        return Outcome(reply[0].decode()), int(reply[1])

    def take_due(self, instance_id: str, *, limit: int, resend_ms: int, max_lost: int) -> Due:
        reply = self._run(
            "take_due",
            instance_id,
            limit=limit,
            resend_ms=resend_ms,
            max_lost=max_lost,
            lost_error=LOST_ERROR,
            late_error=LATE_ERROR,
        )
        send, settle = [], []
        for i in range(4, len(reply), 3):
            node, number = int(reply[i + 1]), int(reply[i + 2])
            if reply[i] in (b"SEND", b"ALONE"):
                send.append(Ready(node, number, alone=reply[i] == b"ALONE"))
            else:
                settle.append(Unsettled(node, number, failed=reply[i] == b"SKIP"))
        return Due(Outcome(reply[0].decode()), bool(reply[1]), tuple(send), tuple(settle), reply[2], reply[3].decode())

    def claim(
        self, instance_id: str, *, owner: str, lease_ms: int, wanted: Sequence[Wanted], message: bool = True
    ) -> Claim:
        nodes_wanted: list[Any] = []
        # Results that would be too many arguments are read afterwards: a committed result never changes.
        afterwards = sum(len(want.needs) for want in wanted) > MOST_ARGUMENTS
        for want in wanted:
            needs = () if afterwards else want.needs
            nodes_wanted += [want.node, want.attempt, len(needs), *needs]
        reply = self._run("claim", instance_id, nodes_wanted, owner=owner, lease_ms=lease_ms, message=message)
        nodes = tuple(
            Claimed(
                want.node,
                want.attempt,
                Outcome(answer[0].decode()),
                int(answer[1]) if len(answer) > 1 else 0,
                tuple(answer[2:]),
            )
            for want, answer in zip(wanted, reply[4:], strict=False)
        )
        if afterwards:
            nodes = self._with_results(instance_id, wanted, nodes)
        waited_ms = None if reply[3] < 0 else reply[3]
        return Claim(Outcome(reply[0].decode()), reply[1], nodes, int(reply[2]), waited_ms)

    def _with_results(
        self, instance_id: str, wanted: Sequence[Wanted], nodes: tuple[Claimed, ...]
    ) -> tuple[Claimed, ...]:
        claimed = {one.node for one in nodes if one.outcome is Outcome.CLAIMED}
        needs = sorted({need for want in wanted if want.node in claimed for need in want.needs})
        found = self.results(instance_id, needs)
        return tuple(
            replace(one, results=tuple(found.get(need) for need in want.needs)) if one.node in claimed else one
            for one, want in zip(nodes, wanted, strict=False)
        )

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome:
        return Outcome(self._run("extend", instance_id, node=node, attempt=attempt, lease_ms=lease_ms)[0].decode())

    def complete(
        self, instance_id: str, *, done: Sequence[Done], by: Dispatching, hop: Hop | None = None
    ) -> Completion:
        owner, lease_ms, budget, weights = (hop.owner, hop.lease_ms, hop.budget, hop.weights) if hop else ("", 0, 0, {})
        ended: list[Any] = []
        for one in done:
            items = one.children.items
            ended += [one.node, one.attempt, one.children.cursor, one.result, len(items) // 2]
            for child, parents in zip(items[::2], items[1::2], strict=True):
                ended += [child, parents, weights.get(child, 0)]
        status, outcomes, claimed, ready, first = self._run(
            "complete",
            instance_id,
            ended,
            taken=by.taken,
            resend_ms=by.resend_ms,
            owner=owner,
            lease_ms=lease_ms,
            budget=budget,
        )
        return Completion(
            tuple(Outcome(outcome.decode()) for outcome in outcomes),
            status.decode(),
            tuple(int(node) for node in claimed),
            tuple(Ready(int(node), first) for node in ready),
            first,
        )

    def settle(self, instance_id: str, *, node: int, start: int, children: Children, by: Dispatching) -> Settled:
        outcome, status, first, *ready = self._run(
            "settle",
            instance_id,
            children.items,
            node=node,
            start=start,
            cursor=children.cursor,
            taken=by.taken,
            resend_ms=by.resend_ms,
        )
        return Settled(Outcome(outcome.decode()), status.decode(), tuple(Ready(int(node), first) for node in ready))

    def fail(
        self,
        instance_id: str,
        *,
        node: int,
        attempt: int,
        error: bytes,
        delay_ms: int | None,
        look_ms: int,
        descendants: Children,
    ) -> Transitioned:
        outcome, status = self._run(
            "fail",
            instance_id,
            descendants.items,
            node=node,
            attempt=attempt,
            error=error,
            delay_ms=-1 if delay_ms is None else delay_ms,
            look_ms=look_ms,
            cursor=descendants.cursor,
        )
        return Transitioned(Outcome(outcome.decode()), status.decode())

    def lose(
        self, instance_id: str, *, node: int, attempt: int, resend_ms: int, max_lost: int, error: bytes
    ) -> Transitioned:
        outcome, status = self._run(
            "lose", instance_id, node=node, attempt=attempt, resend_ms=resend_ms, max_lost=max_lost, error=error
        )
        return Transitioned(Outcome(outcome.decode()), status.decode())

    def end(self, instance_id: str, *, status: str, error: bytes) -> Outcome:
        return Outcome(self._run("end", instance_id, status=status, error=error)[0].decode())

    def pause(self, instance_id: str) -> Outcome:
        return Outcome(self._run("pause", instance_id)[0].decode())

    def resume(self, instance_id: str) -> Outcome:
        return Outcome(self._run("resume", instance_id)[0].decode())

    def rerun(
        self,
        instance_id: str,
        *,
        epoch: int,
        nodes: RerunNodes,
        params: bytes | None,
        reason: str,
        by: Dispatching,
    ) -> Outcome:
        outcome = self._run(
            "rerun",
            instance_id,
            epoch=epoch,
            first=nodes.first,
            params=b"" if params is None else params,
            taken=by.taken,
            resend_ms=by.resend_ms,
            reason=reason,
            rerun_nodes={
                "owing": list(nodes.owing),
                "ready": list(nodes.ready),
                "waiting": [number for pair in nodes.waiting.items() for number in pair],
            },
        )[0]
        return Outcome(outcome.decode())

    def clear_outbox(self, instance_id: str, *, epoch: int) -> Outcome:
        return Outcome(self._run("clear_outbox", instance_id, epoch=epoch)[0].decode())

    def forget(self, instance_id: str, *, emptied: bool = False) -> Outcome:
        """Delete a terminal instance; of one that is gone, delete what index and list of its shard still have."""
        return Outcome(self._run("forget", instance_id, emptied=emptied)[0].decode())

    def offload(self, instance_id: str, *, node: int, attempt: int) -> Outcome:
        return Outcome(self._run("offload", instance_id, node=node, attempt=attempt)[0].decode())


def _terms(terms: Terms, total: int) -> dict[str, str]:
    """The fields of META that hold the terms, without those that have their default."""
    every = len(terms.ignores) == total
    fields = {
        "name": terms.name,
        "tags": json.dumps(dict(terms.tags)) if terms.tags else "",
        "fail_fast": "1" if terms.fail_fast else "",
        "ignores": "" if not terms.ignores else "*" if every else f",{','.join(map(str, terms.ignores))},",
        "timeout_ms": "" if terms.timeout_ms is None else str(terms.timeout_ms),
        "webhook": "1" if terms.webhook else "",
    }
    policies = any(fields[name] for name in fields if name not in ("name", "tags"))
    if (schema := max(terms.schema, 2 if policies else 1)) > 1:
        fields["schema"] = str(schema)
    return {name: value for name, value in fields.items() if value}
