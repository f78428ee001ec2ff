"""What the other rooms need of the store: a handful of transitions, each atomic, reads, and lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.calls import (
    NO_TERMS,
    Children,
    Claim,
    Completion,
    Dispatching,
    Done,
    Due,
    Hop,
    RerunNodes,
    Settled,
    Terms,
    Transitioned,
    Wanted,
)
from chalicelib.core.records import Archived, Event, Listed, Pressure, Snapshot, StoredWorkflow
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref


class Store(Protocol):
    """The state: a handful of transitions, each atomic, and reads."""

    def put_workflow(self, execution_id: str, *, name: str, document: bytes, schema: int = 1) -> int: ...
    def workflow(self, execution_id: str) -> StoredWorkflow | None: ...
    def forget_workflow(self, execution_id: str) -> bool: ...
    def has_workflow(self, execution_id: str) -> bool: ...
    def note_latest(self, execution_id: str, instance_id: str) -> bool:
        """False if the workflow is gone: then nothing is stored."""

    def reserve(self, scope: str, key: str, *, fingerprint: str, id: str) -> tuple[str, str]: ...

    def create(
        self, ref: Ref, *, total: int, params: bytes, roots: Children, by: Dispatching, terms: Terms = NO_TERMS
    ) -> tuple[Outcome, int]: ...
    def take_due(self, instance_id: str, *, limit: int, resend_ms: int, max_lost: int) -> Due: ...
    def claim(
        self, instance_id: str, *, owner: str, lease_ms: int, wanted: Sequence[Wanted], message: bool = True
    ) -> Claim:
        """`message`: a message of the queue asks for the nodes, and is counted as one that the instance needed."""

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome: ...
    def complete(
        self, instance_id: str, *, done: Sequence[Done], by: Dispatching, hop: Hop | None = None
    ) -> Completion: ...
    def settle(self, instance_id: str, *, node: int, start: int, children: Children, by: Dispatching) -> Settled: ...
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
    ) -> Transitioned: ...
    def lose(
        self, instance_id: str, *, node: int, attempt: int, resend_ms: int, max_lost: int, error: bytes
    ) -> Transitioned: ...
    def end(self, instance_id: str, *, status: str, error: bytes) -> Outcome: ...
    def pause(self, instance_id: str) -> Outcome: ...
    def resume(self, instance_id: str) -> Outcome: ...
    def rerun(
        self,
        instance_id: str,
        *,
        epoch: int,
        nodes: RerunNodes,
        params: bytes | None,
        reason: str,
        by: Dispatching,
    ) -> Outcome: ...
    def clear_outbox(self, instance_id: str, *, epoch: int) -> Outcome: ...
    def forget(self, instance_id: str, *, emptied: bool = False) -> Outcome: ...
    def offload(self, instance_id: str, *, node: int, attempt: int) -> Outcome: ...

    def overdue(self, *, limit: int) -> list[str]: ...
    def execution_of(self, instance_id: str) -> str | None: ...
    def status(self, instance_id: str) -> str | None: ...
    def snapshot(self, instance_id: str, *, whole: bool = True) -> Snapshot | None: ...
    def results(self, instance_id: str, nodes: Sequence[int] | None = None) -> dict[int, bytes]: ...
    def history(self, instance_id: str) -> list[Event]: ...
    def archive(self, instance_id: str) -> list[Archived]: ...
    def wait_terminal(self, instance_id: str, seconds: float) -> None: ...
    def ping(self) -> str: ...
    def pressure(self, *, late_ms: int) -> Pressure: ...


class Catalogue(Protocol):
    """Lists, the newest first, of what is still retained. `before` is the id that a page begins after."""

    def instances(self, *, statuses: Sequence[str], before: str | None, limit: int) -> list[Listed]: ...
    def counts(self) -> dict[str, int]:
        """How many instances there are of each status."""

    def workflows(self, *, before: str | None, limit: int) -> list[StoredWorkflow]: ...
