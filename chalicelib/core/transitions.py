"""Every transition of the store, declared once: the arguments, the outcomes and the costs of its script.

The arguments of a script become its named Lua locals (`Transition.prelude`) and are encoded in their order
(`Transition.encode`). Their meaning is in the header of the script, store/lua/NAME.lua; a test compares that header
with the declaration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any

# The Lua locals that name the KEYS of every script, all of one instance (INDEX and LIST are its shard's, which has the
# same hash tag).
KEYS = ("META", "NODES", "WAITS", "RESULTS", "ERRORS", "DUE", "DONE", "HISTORY", "ARCHIVE", "INDEX", "LIST")


class Outcome(StrEnum):
    """What a transition did. The words are those of the Lua headers."""

    CREATED = "CREATED"
    EXISTS = "EXISTS"
    TAKEN = "TAKEN"
    OPEN = "OPEN"
    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    EXTENDED = "EXTENDED"
    COMMITTED = "COMMITTED"
    REPEATED = "REPEATED"
    SETTLED = "SETTLED"
    RETRY = "RETRY"
    FAILED = "FAILED"
    ENDED = "ENDED"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    RERUN = "RERUN"
    LIVE = "LIVE"
    OUTBOX = "OUTBOX"
    LEFT = "LEFT"
    CLEARED = "CLEARED"
    FORGOTTEN = "FORGOTTEN"
    SUPERSEDED = "SUPERSEDED"
    CLOSED = "CLOSED"
    GONE = "GONE"


class Kind(Enum):
    """How Python encodes an argument, and how Lua reads it."""

    TEXT = (None, "{}")
    NUMBER = (None, "tonumber({})")
    FLAG = (int, "{} == '1'")
    JSON = (json.dumps, "cjson.decode({})")


TEXT, NUMBER, FLAG, JSON = Kind


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One script.

    `edges` are letters of the state diagram (ARCHITECTURE.md). `keys` are the Lua locals that name its KEYS. `rest`
    describes the arguments after the named ones, of any number: in Lua they begin at ARGV[REST]. `commands` are those
    that Redis executes for a call itself, and for each node that the call is about. `may_end`: the call may end the
    instance, and then the answer's status says so.
    """

    name: str
    edges: str = ""
    keys: tuple[str, ...] = KEYS
    arguments: dict[str, Kind] = field(default_factory=dict)
    rest: str = ""
    outcomes: Sequence[Outcome] = ()
    commands: tuple[int, int]
    may_end: bool = False

    @property
    def prelude(self) -> str:
        """The Lua that names ARGV: the instance's id, the arguments, and where the rest begins."""
        names = ["id", *self.arguments, "REST"]
        values = ["ARGV[1]"]
        for position, kind in enumerate(self.arguments.values(), 2):
            values.append(kind.value[1].format(f"ARGV[{position}]"))
        return f"local {', '.join(names)} = {', '.join([*values, str(len(names))])}"

    def encode(self, instance_id: str, named: dict[str, Any], rest: Sequence[Any] = ()) -> tuple[Any, ...]:
        """ARGV, in the order in which the prelude reads it. Raises KeyError for an argument that is missing."""
        return (instance_id, *(named[name] if code is None else code(named[name]) for name, code in self._codes), *rest)

    @cached_property
    def _codes(self) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
        return tuple((name, kind.value[0]) for name, kind in self.arguments.items())


# In the order of a node's life. The costs of `create` include what only the first claim of an instance and its end do:
# 3 and 7 commands.
TRANSITIONS = {
    transition.name: transition
    for transition in (
        Transition(
            name="create",
            edges="a",
            arguments={
                "execution_id": TEXT,
                "total": NUMBER,
                "params": TEXT,
                "retention_ms": NUMBER,
                "taken": FLAG,
                "resend_ms": NUMBER,
                "cursor": NUMBER,
                "terms": JSON,
            },
            rest="pairs: root 1",
            outcomes=(Outcome.CREATED, Outcome.EXISTS),
            commands=(21, 0),
        ),
        Transition(
            name="take_due",
            edges="bfglk",
            arguments={
                "limit": NUMBER,
                "resend_ms": NUMBER,
                "max_lost": NUMBER,
                "lost_error": TEXT,
                "late_error": TEXT,
            },
            outcomes=(Outcome.TAKEN, Outcome.CLOSED, Outcome.OUTBOX, Outcome.GONE, Outcome.LEFT),
            commands=(7, 4),
            may_end=True,
        ),
        Transition(
            name="claim",
            edges="cl",
            arguments={"owner": TEXT, "lease_ms": NUMBER, "message": FLAG},
            rest="for each node: node attempt n, and n nodes whose results it needs",
            outcomes=(
                Outcome.OPEN,
                Outcome.CLOSED,
                Outcome.GONE,
                Outcome.CLAIMED,
                Outcome.RUNNING,
                Outcome.PAUSED,
                Outcome.SUPERSEDED,
            ),
            commands=(7, 3),
        ),
        Transition(
            name="extend",
            edges="d",
            arguments={"node": TEXT, "attempt": NUMBER, "lease_ms": NUMBER},
            outcomes=(Outcome.EXTENDED, Outcome.SUPERSEDED, Outcome.CLOSED, Outcome.GONE),
            commands=(7, 0),
        ),
        Transition(
            name="complete",
            edges="eac",
            arguments={"taken": FLAG, "resend_ms": NUMBER, "owner": TEXT, "lease_ms": NUMBER, "budget": NUMBER},
            rest="for each node, none twice: node attempt cursor result n, and n triples: child parents weight",
            outcomes=(
                Outcome.COMMITTED,
                Outcome.REPEATED,
                Outcome.SUPERSEDED,
                Outcome.CLOSED,
                Outcome.GONE,
            ),
            commands=(11, 1),
            may_end=True,
        ),
        Transition(
            name="settle",
            edges="ah",
            arguments={"node": TEXT, "start": NUMBER, "cursor": NUMBER, "taken": FLAG, "resend_ms": NUMBER},
            rest="pairs child parents, or descendants (edge h)",
            outcomes=(Outcome.SETTLED, Outcome.SUPERSEDED, Outcome.CLOSED, Outcome.GONE),
            commands=(11, 0),
            may_end=True,
        ),
        Transition(
            name="fail",
            edges="ighk",
            arguments={
                "node": TEXT,
                "attempt": NUMBER,
                "error": TEXT,
                "delay_ms": NUMBER,
                "look_ms": NUMBER,
                "cursor": NUMBER,
            },
            rest="descendants",
            outcomes=(Outcome.RETRY, Outcome.FAILED, Outcome.SUPERSEDED, Outcome.CLOSED, Outcome.GONE),
            commands=(11, 0),
            may_end=True,
        ),
        Transition(
            name="lose",
            edges="jgk",
            arguments={"node": TEXT, "attempt": NUMBER, "resend_ms": NUMBER, "max_lost": NUMBER, "error": TEXT},
            outcomes=(Outcome.RETRY, Outcome.FAILED, Outcome.SUPERSEDED, Outcome.CLOSED, Outcome.GONE),
            commands=(10, 0),
            may_end=True,
        ),
        Transition(
            name="end",
            edges="k",
            arguments={"status": TEXT, "error": TEXT},
            outcomes=(Outcome.ENDED, Outcome.CLOSED, Outcome.GONE),
            commands=(2, 0),
        ),
        Transition(name="pause", outcomes=(Outcome.PAUSED, Outcome.CLOSED, Outcome.GONE), commands=(2, 0)),
        Transition(name="resume", edges="m", outcomes=(Outcome.RESUMED, Outcome.CLOSED, Outcome.GONE), commands=(2, 0)),
        Transition(
            name="rerun",
            edges="na",
            arguments={
                "epoch": NUMBER,
                "first": NUMBER,
                "params": TEXT,
                "taken": FLAG,
                "resend_ms": NUMBER,
                "reason": TEXT,
                "rerun_nodes": JSON,
            },
            outcomes=(Outcome.RERUN, Outcome.LIVE, Outcome.SUPERSEDED, Outcome.GONE),
            commands=(2, 0),
        ),
        Transition(
            name="clear_outbox",
            arguments={"epoch": NUMBER},
            outcomes=(Outcome.CLEARED, Outcome.SUPERSEDED, Outcome.GONE),
            commands=(2, 0),
        ),
        Transition(
            name="forget",
            arguments={"emptied": FLAG},
            outcomes=(Outcome.FORGOTTEN, Outcome.LEFT, Outcome.LIVE, Outcome.GONE),
            commands=(2, 0),
        ),
        Transition(name="read", arguments={"whole": FLAG}, commands=(2, 0)),
        Transition(
            name="offload",
            arguments={"node": TEXT, "attempt": NUMBER},
            outcomes=(Outcome.OPEN, Outcome.SUPERSEDED, Outcome.CLOSED, Outcome.GONE),
            commands=(7, 0),
        ),
        Transition(
            name="note_latest",
            keys=("WORKFLOW",),
            arguments={"seconds": NUMBER},
            outcomes=(Outcome.OPEN, Outcome.GONE),
            commands=(4, 0),
        ),
    )
}
