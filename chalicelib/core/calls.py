"""The arguments and answers of the store's transitions.

Nodes are named by their index in the definition's `nodes`. Times are milliseconds since 1970 by the store's clock,
durations milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings in a workflow's definition that apply to its instances.

    `ignores`: the nodes whose failure is ignored. `timeout_ms`: how long an instance may take. `schema`: the
    oldest code that may touch it, as far as that depends on the definition.
    """

    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    fail_fast: bool = False
    ignores: tuple[int, ...] = ()
    timeout_ms: int | None = None
    webhook: bool = False
    schema: int = 1


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Children:
    """A slice of the nodes that a finished node unblocks or skips. The next one begins at `cursor`; -1: there is none.

    `items`: child, number of its parents, ... of a completed node; descendants of a failed one.
    """

    items: Sequence[int]
    cursor: int = -1


@dataclass(frozen=True, slots=True)
class Dispatching:
    """Which process sends what becomes ready: the caller (`taken`), or a scheduler that is invoked after the commit."""

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
    """`waited_ms`: for how long the node that waited longest was ready. It is measured, and not part of the state."""

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
    """Asks a completion to claim ready children for the same owner, as long as their weights fit into the budget.

    A child that has no weight is never claimed.
    """

    owner: str
    lease_ms: int
    budget: int
    weights: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Completion:
    """`outcomes` are in the order of the nodes that were handed in. `first` is the attempt that children begin with."""

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
class Transitioned:
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


@dataclass(frozen=True, slots=True)
class RerunNodes:
    """The nodes that a rerun runs again. `ready` can start at once; `waiting` maps the others to the number of their
    parents that stay as they are. `first` is the attempt that they begin with, above any earlier one. `owing` nodes
    stay, and need not be settled any further: the children that they still owe are counted in `waiting`."""

    ready: Sequence[int]
    waiting: Mapping[int, int]
    first: int
    owing: Sequence[int] = ()
