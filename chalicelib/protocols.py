"""What the use cases, the scheduler and the worker need of the world: the store, large values, the queue, the invoker.

Nodes are named by their index in the definition's `nodes` here; ids are for people. All times are milliseconds since
1970 by the store's clock, all durations milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.terms import NO_TERMS, Terms
from chalicelib.core.transitions import Outcome as Outcome
from chalicelib.states import NodeState

if TYPE_CHECKING:
    from chalicelib.core.plan import Plan

# The queue holds a message back for so long at most (Amazon SQS, DelaySeconds).
MAX_DELAY_MS = 900_000


@dataclass(frozen=True, slots=True)
class Ref:
    """An instance and the workflow that it runs."""

    instance_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class Ready:
    """An attempt of a node that may start once `delay_ms` have passed.

    `alone`: it lost a lease, so it may be what killed its worker. No other node is to run beside it.
    """

    node: int
    attempt: int
    delay_ms: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What the queue carries: an instance and one or more ready nodes."""

    ref: Ref
    nodes: tuple[Ready, ...]


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    execution_id: str
    name: str
    document: bytes
    created_at: int
    latest: str | None


@dataclass(frozen=True, slots=True)
class Children:
    """A slice of what a finished node does to the nodes behind it. `cursor` is -1 when it is the last one.

    `items`: child, number of its parents, ... for a completed node; descendants for a failed one.
    """

    items: Sequence[int]
    cursor: int = -1


@dataclass(frozen=True, slots=True)
class Dispatching:
    """Who sends what becomes ready: the caller (`taken`), or a scheduler that is invoked after the commit."""

    taken: bool
    resend_ms: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node that a message asks for, and the nodes whose results it needs."""

    node: int
    attempt: int
    needs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    node: int
    attempt: int
    outcome: Outcome
    failures: int = 0
    results: tuple[bytes | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """`waited_ms`: how long the longest of those claimed was ready for. It is measured, and no part of the state."""

    outcome: Outcome
    params: bytes = b"{}"
    nodes: tuple[Claimed, ...] = ()
    epoch: int = 1
    waited_ms: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Done:
    """A node that ended, and the first slice of its children."""

    node: int
    attempt: int
    result: bytes
    children: Children


@dataclass(frozen=True, slots=True)
class Hop:
    """Asks a completion to claim ready children for the same owner, as long as their costs fit into the budget.

    A child that has no cost is never claimed.
    """

    owner: str
    lease_ms: int
    budget: int
    costs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Completion:
    """`outcomes` in the order of what was done. `first` is the attempt that the claimed children begin with."""

    outcomes: tuple[Outcome, ...]
    status: str = ""
    claimed: tuple[int, ...] = ()
    ready: tuple[Ready, ...] = ()
    first: int = 1


@dataclass(frozen=True, slots=True)
class Settled:
    outcome: Outcome
    status: str = ""
    ready: tuple[Ready, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    outcome: Outcome
    status: str = ""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A finished node some of whose children (or, when it failed, descendants) have not been dealt with."""

    node: int
    cursor: int
    failed: bool


@dataclass(frozen=True, slots=True)
class Due:
    """What `take_due` handed out: nodes to send, and finished ones to settle; the oldest is `late_ms` overdue.

    `status` is the instance's: a node that lost its last lease may have ended it.
    """

    outcome: Outcome
    more: bool = False
    send: tuple[Ready, ...] = ()
    settle: tuple[Unsettled, ...] = ()
    late_ms: int = field(default=0, compare=False)
    status: str = field(default="", compare=False)


@dataclass(slots=True)  # not frozen: that makes 10,000 of them take three times as long
class Record:
    """A node as the store has it; see lua/lib/record.lua."""

    state: NodeState
    attempt: int
    failures: int
    lost: int
    sends: int
    cursor: int
    queued_at: int | None
    started_at: int | None
    finished_at: int | None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Anew:
    """Nodes that a rerun begins anew. `ready` can start at once; `waiting` maps the others to how many of their parents
    stay as they are. `first` is the attempt that they begin with: above any before. `owing` stay, and owe nothing any
    more to the nodes behind them, which are counted in `waiting`."""

    ready: Sequence[int]
    waiting: Mapping[int, int]
    first: int
    owing: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of an instance's history, times in ms. `node` is None where it is about the instance."""

    at: int
    event: str
    node: int | None = None
    attempt: int | None = None
    owner: str | None = None
    queued: int | None = None
    started: int | None = None
    reason: str | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """What a node was in an epoch that is over."""

    epoch: int
    node: int
    record: Record
    result: bytes | None


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance as a list shows it."""

    instance_id: str
    execution_id: str
    status: str
    name: str
    tags: Mapping[str, str]
    counts: dict[str, int]
    created_at: int
    started_at: int | None
    finished_at: int | None
    epoch: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent picture of an instance."""

    instance_id: str
    execution_id: str
    status: str
    counts: dict[str, int]
    created_at: int
    started_at: int | None
    finished_at: int | None
    error: bytes | None
    error_node: int | None
    paused: bool = False
    epoch: int = 1
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    forgotten: int = 0
    calls: int = 0
    messages: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    errors: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pressure:
    """How the store is doing: the used share of its memory (None: no limit is set), and instances left overdue."""

    memory: float | None
    late: int


class Store(Protocol):
    """The state: a handful of transitions, each atomic, and reads."""

    def put_workflow(self, execution_id: str, *, name: str, document: bytes, schema: int = 1) -> int: ...
    def workflow(self, execution_id: str) -> StoredWorkflow | None: ...
    def forget_workflow(self, execution_id: str) -> bool: ...
    def has_workflow(self, execution_id: str) -> bool: ...
    def note_latest(self, execution_id: str, instance_id: str) -> bool:
        """False where the workflow is gone: then nothing is noted."""

    def reserve(self, scope: str, key: str, *, fingerprint: str, id: str) -> tuple[str, str]: ...

    def create(
        self, ref: Ref, *, total: int, params: bytes, roots: Children, by: Dispatching, terms: Terms = NO_TERMS
    ) -> tuple[Outcome, int]: ...
    def take_due(self, instance_id: str, *, limit: int, resend_ms: int, max_lost: int) -> Due: ...
    def claim(self, instance_id: str, *, owner: str, lease_ms: int, wanted: Sequence[Wanted]) -> Claim: ...
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
    ) -> Failure: ...
    def lose(
        self, instance_id: str, *, node: int, attempt: int, resend_ms: int, max_lost: int, error: bytes
    ) -> Failure: ...
    def end(self, instance_id: str, *, status: str, error: bytes) -> Outcome: ...
    def pause(self, instance_id: str) -> Outcome: ...
    def resume(self, instance_id: str) -> Outcome: ...
    def rerun(
        self, instance_id: str, *, epoch: int, anew: Anew, params: bytes | None, reason: str, by: Dispatching
    ) -> Outcome: ...
    def told(self, instance_id: str, *, epoch: int) -> Outcome: ...
    def forget(self, instance_id: str, *, emptied: bool = False) -> Outcome: ...
    def stow(self, instance_id: str, *, node: int, attempt: int) -> Outcome: ...

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
    """Lists, the newest first. `before` is the id that a page begins after; what ended its retention is left out."""

    def instances(self, *, statuses: Sequence[str], before: str | None, limit: int) -> list[Listed]: ...
    def counts(self) -> dict[str, int]:
        """How many instances there are of each status."""

    def workflows(self, *, before: str | None, limit: int) -> list[StoredWorkflow]: ...


class Values(Protocol):
    """Where results are kept that are too large for the store, each under a key. None is ever overwritten by another.

    Raises ValuesUnavailable.
    """

    def put(self, key: str, value: bytes) -> None: ...
    def get(self, key: str) -> bytes | None:
        """None where it is gone."""

    def link(self, key: str) -> str | None:
        """A URL by which anybody can read it for some minutes; None where there are none."""

    def forget(self, prefix: str) -> None:
        """Delete all whose keys begin so: the prefix ends with a slash."""

    def place(self, key: str) -> str:
        """Where it is, for a sentence."""


class Queue(Protocol):
    """What carries ready nodes to the workers: at least once, in no order."""

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Send in as few requests as can be. Returns the messages that were refused; the sweep sends these again."""

    def ping(self) -> None: ...

    def backlog(self) -> int:
        """About how many messages wait for a worker: neither those in hand nor those held back. Raises Unavailable."""


class Invoker(Protocol):
    """Starts the scheduler function for an instance, without waiting for it."""

    def invoke(self, instance_id: str) -> None: ...


class SecretSource(Protocol):
    """Where secrets are kept. Raises SecretsUnavailable."""

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the names that are there."""

    def place(self, name: str) -> str:
        """Where a person has to put it, for a sentence."""


class Dispatch(Protocol):
    """What happens to nodes that a transition made ready. `by` goes into the transition, `unblocked` comes after it."""

    @property
    def by(self) -> Dispatching: ...

    def unblocked(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        """Get them onto the queue, by whatever way is set."""

    def send(self, ref: Ref, plan: Plan, ready: Sequence[Ready]) -> None:
        """Put them on the queue from here."""


class Settler(Protocol):
    """Carries on what one transition was too short for."""

    def run(self, instance_id: str) -> object:
        """Look at an instance now: send and settle what is due, and what it owes when it is terminal."""

    def settle(self, ref: Ref, plan: Plan, node: int, start: int, *, failed: bool) -> None:
        """Deal with the children (of a failed node: the descendants) from `start` to the end; -1 is past the end."""

    def abort(self, ref: Ref) -> None:
        """End an instance whose definition is gone."""
