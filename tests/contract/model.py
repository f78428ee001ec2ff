"""The state diagram of ARCHITECTURE.md in plain Python, with which the Lua transitions are compared.

It models the Store protocol's transitions over dictionaries, with the same arguments and answers. Each edge of the
diagram is a method that begins with its letter. Counters, an instance's status and its place in the index are not
stored but computed from the nodes, so that no counter of the model can be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

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
from chalicelib.store.redis_store import LATE_ERROR, LOST_ERROR

EDGES = "abcdefghijklmn"
TRIGGER = -1  # the parent of the roots
TIME_LIMIT = -2  # the time limit of the instance
HELD = 9_000_000_000_000_000
MAX_DOUBLINGS = 6
RETENTION_MS = 600_000


@dataclass
class Node:
    """A node with a record: Q ready, R running, C completed, F failed, I failed and ignored, S skipped. Others wait."""

    status: str
    attempt: int = 1
    failures: int = 0
    lost: int = 0
    sends: int = 0
    cursor: int = -1
    queued: int | None = None
    started: int | None = None
    finished: int | None = None
    owner: str = ""


@dataclass
class Instance:
    execution_id: str
    total: int
    params: bytes
    created_at: int
    terms: Terms = NO_TERMS
    epoch: int = 1
    first: int = 1
    paused: bool = False
    owes: bool = False
    owed_again: int = 0
    ended_as: str | None = None
    events: list[tuple[str, int | None, int | None]] = field(default_factory=list)
    archived: dict[tuple[int, int], tuple[str, bytes | None]] = field(default_factory=dict)
    started_at: int | None = None
    finished_at: int | None = None
    error: bytes | None = None
    error_node: int | None = None
    nodes: dict[int, Node] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    results: dict[int, bytes] = field(default_factory=dict)
    errors: dict[int, bytes] = field(default_factory=dict)
    stowed: bool = False

    def count(self, status: str) -> int:
        return sum(node.status == status for number, node in self.nodes.items() if number != TRIGGER)

    @property
    def ended(self) -> int:
        return sum(self.count(status) for status in "CFIS")

    @property
    def terminal(self) -> bool:
        return self.ended_as is not None or self.ended == self.total

    @property
    def status(self) -> str:
        if self.ended_as:
            return self.ended_as
        if self.terminal:
            return "FAILED" if self.count("F") else "COMPLETED"
        return "PENDING" if self.started_at is None else "RUNNING"

    @property
    def counts(self) -> dict[str, int]:
        """An early end cancels every node that is not terminal, without touching its record."""
        running = 0 if self.ended_as else self.count("R")
        cancelled = self.total - self.ended if self.ended_as else 0
        return {
            "total": self.total,
            "running": running,
            "completed": self.count("C"),
            "failed": self.count("F") + self.count("I"),
            "skipped": self.count("S"),
            "cancelled": cancelled,
            "pending": self.total - self.ended - running - cancelled,
        }

    @property
    def look_at(self) -> int | None:
        """Its entry in the index: when its first node is due; once terminal, when its webhook is due or it is gone."""
        if self.finished_at is not None:
            return self.owed_again if self.owes else self.finished_at + RETENTION_MS + 1000
        return min(self.due.values(), default=None)


class Model:
    """Any number of instances. `walked` counts how often each edge was taken."""

    def __init__(self, now: int, walked: Counter[str] | None = None) -> None:
        self.now = now
        self.walked: Counter[str] = Counter() if walked is None else walked
        self.instances: dict[str, Instance] = {}
        self.left: set[str] = set()  # gone, except for large results

    # The edges.

    def a_ready(self, at: Instance, number: int, by: Dispatching) -> None:
        """waiting -> ready: its last parent completed (a root's is the trigger)."""
        self.walked["a"] += 1
        taken = by.taken and not at.paused
        at.nodes[number] = Node("Q", attempt=at.first, sends=1 if taken else 0, queued=self.now)
        at.due[number] = HELD if at.paused else self.now + by.resend_ms if by.taken else self.now

    def b_sent(self, at: Instance, number: int, resend_ms: int) -> None:
        """ready -> ready: handed out to be sent; the next look is later each time."""
        self.walked["b"] += 1
        node = at.nodes[number]
        if node.sends:
            at.events.append(("sent again", number, node.attempt))
        at.due[number] = self.now + resend_ms * 2 ** min(node.sends, MAX_DOUBLINGS)
        node.sends += 1

    def c_running(self, at: Instance, number: int, owner: str, lease_ms: int) -> None:
        """ready -> RUNNING: claimed by a message, or by the worker that completed its parent."""
        self.walked["c"] += 1
        node = at.nodes[number]
        node.status, node.started, node.owner = "R", self.now, owner
        at.due[number] = self.now + lease_ms
        if at.started_at is None:
            at.started_at = self.now

    def d_extended(self, at: Instance, number: int, lease_ms: int) -> None:
        """RUNNING -> RUNNING: the lease ends later."""
        self.walked["d"] += 1
        at.due[number] = self.now + lease_ms

    def e_completed(self, at: Instance, number: int, result: bytes, cursor: int, resend_ms: int) -> None:
        """RUNNING -> COMPLETED: the one result is committed, and errors of earlier attempts are deleted."""
        self.walked["e"] += 1
        node = at.nodes[number]
        node.status, node.cursor, node.finished = "C", cursor, self.now
        at.results[number] = result
        at.errors.pop(number, None)
        self._owe(at, number, self.now + resend_ms)

    def f_lease_over(self, at: Instance, number: int, resend_ms: int) -> None:
        """RUNNING -> ready: the lease ran out, and another attempt begins, which is no failure of the node's own."""
        self.walked["f"] += 1
        self._next_attempt(at, number, resend_ms)

    def g_failed(self, at: Instance, number: int, cursor: int, look_ms: int) -> None:
        """RUNNING or ready -> FAILED: no attempt left, or too many were lost."""
        self.walked["g"] += 1
        self._end_failed(at, number, cursor, look_ms)

    def h_skipped(self, at: Instance, number: int) -> None:
        """waiting -> SKIPPED: an ancestor failed."""
        self.walked["h"] += 1
        at.nodes[number] = Node("S", attempt=0, finished=self.now)

    def i_retry(self, at: Instance, number: int, delay_ms: int, look_ms: int) -> None:
        """RUNNING -> ready: the handler failed. The caller sends it if it starts before the next look, or the sweep."""
        self.walked["i"] += 1
        node = at.nodes[number]
        node.status, node.attempt, node.sends = "Q", node.attempt + 1, 1 if look_ms > delay_ms else 0
        node.queued, node.started, node.owner = self.now, None, ""
        at.due[number] = self.now + look_ms

    def j_dead_letter(self, at: Instance, number: int, resend_ms: int) -> None:
        """ready -> ready: no worker could take its message, and another attempt takes its place."""
        self.walked["j"] += 1
        self._next_attempt(at, number, resend_ms)

    def k_cancelled(self, at: Instance, status: str, error: bytes | None) -> None:
        """live -> CANCELLED, every node at once, and the instance CANCELLED or FAILED."""
        self.walked["k"] += 1
        at.ended_as, at.error = status, error
        at.events.append(("cancelled" if status == "CANCELLED" else "cut off", None, None))

    def l_held(self, at: Instance, number: int) -> None:
        """ready -> ready: the instance is paused."""
        self.walked["l"] += 1
        at.due[number] = HELD

    def m_resumed(self, at: Instance, number: int) -> None:
        """ready -> ready: it is due at once, since the instance is no longer paused."""
        self.walked["m"] += 1
        at.due[number] = self.now

    def _begin_anew(self, at: Instance, number: int) -> None:
        """terminal, or live when the instance ended -> waiting: the node runs again, in the next epoch."""
        self.walked["n"] += 1
        if node := at.nodes.pop(number, None):
            at.archived[at.epoch, number] = (node.status, at.results.pop(number, None))
        at.errors.pop(number, None)

    # The transitions, as the protocol has them.

    def create(
        self, ref: Ref, *, total: int, params: bytes, roots: Children, by: Dispatching, terms: Terms = NO_TERMS
    ) -> tuple[Outcome, int]:
        if at := self.instances.get(ref.instance_id):
            return Outcome.EXISTS, at.created_at
        at = self.instances[ref.instance_id] = Instance(ref.execution_id, total, params, self.now, terms)
        self._limit(at)
        self._unblock(at, roots.items, by, None)
        if roots.cursor >= 0:
            at.nodes[TRIGGER] = Node("C", attempt=0, cursor=roots.cursor)
            at.due[TRIGGER] = self.now + by.resend_ms
        return Outcome.CREATED, self.now

    def take_due(self, instance_id: str, *, limit: int, resend_ms: int, max_lost: int) -> Due:
        at = self._open(instance_id)
        if instance_id in self.left:
            return Due(Outcome.LEFT)
        if isinstance(at, Outcome):
            owes = at is Outcome.CLOSED and self.instances[instance_id].owes
            if owes:
                self.instances[instance_id].owed_again = self.now + resend_ms
            return Due(Outcome.OUTBOX if owes else at)
        # In the order of Redis: by time, then by the number of the node as text.
        due = [number for when, _, number in sorted((w, str(n), n) for n, w in at.due.items()) if when <= self.now]
        send, settle = [], []
        for number in due[:limit]:
            if number == TIME_LIMIT:
                self.k_cancelled(at, "FAILED", LATE_ERROR.encode())
                self._close_if_ended(at)
                return Due(Outcome.CLOSED)
            node = at.nodes[number]
            if node.status == "Q" and at.paused:
                self.l_held(at, number)
                continue
            if node.status == "Q":
                self.b_sent(at, number, resend_ms)
            elif node.status == "R":
                if self._lose(at, number, max_lost, LOST_ERROR.encode()):
                    self.f_lease_over(at, number, resend_ms)
                    if at.paused:
                        node.sends, at.due[number] = 0, HELD
                        continue
                else:
                    self.g_failed(at, number, 0, resend_ms)
            else:
                at.due[number] = self.now + resend_ms
            if node.status == "Q":
                send.append(Ready(number, node.attempt, alone=node.lost > 0))
            else:
                settle.append(Unsettled(number, node.cursor, failed=node.status == "F"))
        self._give_up(at)
        self._close_if_ended(at)
        return Due(Outcome.TAKEN, len(due) > limit, tuple(send), tuple(settle))

    def claim(
        self, instance_id: str, *, owner: str, lease_ms: int, wanted: Sequence[Wanted], message: bool = True
    ) -> Claim:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return Claim(at, b"")
        answers = []
        for want in wanted:
            node = at.nodes.get(want.node)
            outcome = Outcome.SUPERSEDED
            if node and node.attempt == want.attempt:
                if node.status == "Q" and at.paused:
                    self.l_held(at, want.node)
                    outcome = Outcome.PAUSED
                elif node.status == "Q":
                    self.c_running(at, want.node, owner, lease_ms)
                    outcome = Outcome.CLAIMED
                elif node.status == "R" and node.owner == owner:
                    at.due[want.node] = self.now + lease_ms  # an answer got lost: the same lease again
                    outcome = Outcome.CLAIMED
                elif node.status == "R":
                    outcome = Outcome.RUNNING
            if node and outcome is Outcome.CLAIMED:
                results = tuple(at.results.get(need) for need in want.needs)
                answers.append(Claimed(want.node, want.attempt, outcome, node.failures, results))
            else:
                answers.append(Claimed(want.node, want.attempt, outcome))
        return Claim(Outcome.OPEN, at.params, tuple(answers), at.epoch)

    def extend(self, instance_id: str, *, node: int, attempt: int, lease_ms: int) -> Outcome:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return at
        if not self._holds(at, node, attempt, "R"):
            return Outcome.SUPERSEDED
        self.d_extended(at, node, lease_ms)
        return Outcome.EXTENDED

    def complete(
        self, instance_id: str, *, done: Sequence[Done], by: Dispatching, hop: Hop | None = None
    ) -> Completion:
        known, at = self.instances.get(instance_id), self._open(instance_id)
        outcomes: list[Outcome] = []
        items: list[int] = []
        for one in done:
            if known and self._holds(known, one.node, one.attempt, "C"):
                outcomes.append(Outcome.REPEATED)
            elif isinstance(at, Outcome):
                outcomes.append(at)
            elif not self._holds(at, one.node, one.attempt, "R"):
                outcomes.append(Outcome.SUPERSEDED)
            else:
                outcomes.append(Outcome.COMMITTED)
                self.e_completed(at, one.node, one.result, one.children.cursor, by.resend_ms)
                items += one.children.items
        if isinstance(at, Outcome):
            return Completion(tuple(outcomes))
        claimed, ready = self._unblock(at, items, by, hop)
        self._close_if_ended(at)
        first = at.first if Outcome.COMMITTED in outcomes else 1
        then = tuple(Ready(number, first) for number in ready)
        return Completion(tuple(outcomes), at.status, tuple(claimed), then, first)

    def settle(self, instance_id: str, *, node: int, start: int, children: Children, by: Dispatching) -> Settled:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return Settled(at)
        record = at.nodes.get(node)
        if record is None or record.cursor < 0 or record.cursor != start:
            return Settled(Outcome.SUPERSEDED, at.status)
        ready: list[int] = []
        if record.status != "F":
            _, ready = self._unblock(at, children.items, by, None)
        else:
            self._skip(at, children.items)
        record.cursor = children.cursor
        self._owe(at, node, self.now + by.resend_ms)
        if node == TRIGGER and record.cursor < 0:
            del at.nodes[TRIGGER]
        self._close_if_ended(at)
        return Settled(Outcome.SETTLED, at.status, tuple(Ready(number, at.first) for number in ready))

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
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return Transitioned(at)
        if not self._holds(at, node, attempt, "R"):
            return Transitioned(Outcome.SUPERSEDED, at.status)
        at.errors[node] = error
        at.nodes[node].failures += 1
        at.events.append(("failed", node, attempt))
        if delay_ms is not None:
            self.i_retry(at, node, delay_ms, look_ms)
            return Transitioned(Outcome.RETRY, at.status)
        self.g_failed(at, node, descendants.cursor, look_ms)
        if at.nodes[node].status == "F":
            self._skip(at, descendants.items)
        self._give_up(at)
        self._close_if_ended(at)
        return Transitioned(Outcome.FAILED, at.status)

    def lose(
        self, instance_id: str, *, node: int, attempt: int, resend_ms: int, max_lost: int, error: bytes
    ) -> Transitioned:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return Transitioned(at)
        if not self._holds(at, node, attempt, "Q"):
            return Transitioned(Outcome.SUPERSEDED, at.status)
        if self._lose(at, node, max_lost, error):
            self.j_dead_letter(at, node, resend_ms)
            return Transitioned(Outcome.RETRY, at.status)
        self.g_failed(at, node, 0, resend_ms)
        self._give_up(at)
        self._close_if_ended(at)
        return Transitioned(Outcome.FAILED, at.status)

    def end(self, instance_id: str, *, status: str, error: bytes) -> Outcome:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return at
        self.k_cancelled(at, status, error)
        self._close_if_ended(at)
        return Outcome.ENDED

    def pause(self, instance_id: str) -> Outcome:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return at
        if not at.paused:
            at.paused = True
            at.events.append(("paused", None, None))
        return Outcome.PAUSED

    def resume(self, instance_id: str) -> Outcome:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return at
        if at.paused:
            at.paused = False
            at.events.append(("resumed", None, None))
            for number in [number for number, when in at.due.items() if when == HELD]:
                self.m_resumed(at, number)
        return Outcome.RESUMED

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
        at = self.instances.get(instance_id)
        if at is None:
            return Outcome.GONE
        if not at.terminal:
            return Outcome.LIVE
        if at.epoch != epoch:
            return Outcome.SUPERSEDED
        at.nodes.pop(TRIGGER, None)
        for number in nodes.owing:
            at.nodes[number].cursor = -1
        for number in (*nodes.ready, *nodes.waiting):
            self._begin_anew(at, number)
        at.arrived.update({number: parents for number, parents in nodes.waiting.items() if parents})
        at.epoch, at.first, at.paused, at.owes, at.ended_as = epoch + 1, nodes.first, False, False, None
        at.started_at = at.finished_at = at.error = at.error_node = None
        at.params = at.params if params is None else params
        at.events.append(("rerun", None, None))
        for number in nodes.ready:
            self.a_ready(at, number, by)
        self._limit(at)
        return Outcome.RERUN

    def clear_outbox(self, instance_id: str, *, epoch: int) -> Outcome:
        at = self.instances.get(instance_id)
        if at is None:
            return Outcome.GONE
        if at.epoch != epoch or not at.owes:
            return Outcome.SUPERSEDED
        at.owes = False
        return Outcome.CLEARED

    def forget(self, instance_id: str, *, emptied: bool = False) -> Outcome:
        at = self._open(instance_id)
        if not isinstance(at, Outcome):
            return Outcome.LIVE
        forgotten = self.instances.pop(instance_id, None)
        if forgotten is not None and forgotten.stowed:
            self.left.add(instance_id)
        if emptied:
            self.left.discard(instance_id)
        if instance_id in self.left:
            return Outcome.LEFT
        return Outcome.FORGOTTEN if at is Outcome.CLOSED else at

    def offload(self, instance_id: str, *, node: int, attempt: int) -> Outcome:
        at = self._open(instance_id)
        if isinstance(at, Outcome):
            return at
        if not self._holds(at, node, attempt, "R"):
            return Outcome.SUPERSEDED
        at.stowed = True
        return Outcome.OPEN

    # What the transitions share.

    def _open(self, instance_id: str) -> Instance | Outcome:
        at = self.instances.get(instance_id)
        if at is None:
            return Outcome.GONE
        return Outcome.CLOSED if at.terminal else at

    def _holds(self, at: Instance, number: int, attempt: int, status: str) -> bool:
        """Return whether this is the node's current attempt, in this state. That fences off whatever is late."""
        node = at.nodes.get(number)
        return node is not None and node.status == status and node.attempt == attempt

    def _unblock(
        self, at: Instance, items: Sequence[int], by: Dispatching, hop: Hop | None
    ) -> tuple[list[int], list[int]]:
        claimed, ready, budget = [], [], hop.budget if hop else 0
        parents = dict(zip(items[::2], items[1::2], strict=True))
        for child in items[::2]:
            at.arrived[child] = at.arrived.get(child, 0) + 1
        for child, wanted in parents.items():
            if at.arrived[child] < wanted:
                continue
            del at.arrived[child]
            cost = hop.weights.get(child, 0) if hop else 0
            if hop and 0 < cost <= budget and not at.paused:
                budget -= cost
                claimed.append(child)
                self.a_ready(at, child, Dispatching(taken=False, resend_ms=0))
                self.c_running(at, child, hop.owner, hop.lease_ms)
            else:
                ready += [] if at.paused else [child]
                self.a_ready(at, child, by)
        return claimed, ready

    def _skip(self, at: Instance, descendants: Sequence[int]) -> None:
        for number in descendants:
            if number not in at.nodes:  # another failed ancestor was here before
                self.h_skipped(at, number)

    def _lose(self, at: Instance, number: int, max_lost: int, error: bytes) -> bool:
        """Count a lost attempt. Returns whether there is another one."""
        node = at.nodes[number]
        at.events.append(("lost", number, node.attempt))
        node.lost += 1
        at.errors[number] = error
        return node.lost < max_lost

    def _next_attempt(self, at: Instance, number: int, resend_ms: int) -> None:
        node = at.nodes[number]
        node.status, node.attempt, node.queued, node.sends = "Q", node.attempt + 1, self.now, 1
        node.started, node.owner = None, ""
        at.due[number] = self.now + resend_ms

    def _end_failed(self, at: Instance, number: int, cursor: int, look_ms: int) -> None:
        node = at.nodes[number]
        ignored = number in at.terms.ignores
        node.status, node.finished, node.cursor = "I" if ignored else "F", self.now, cursor
        if at.error_node is None and not ignored:
            at.error_node = number
        self._owe(at, number, self.now + look_ms)

    def _give_up(self, at: Instance) -> None:
        """With fail_fast the other nodes end with a failed one, unless it was the last."""
        if at.terms.fail_fast and at.count("F") and not at.terminal:
            self.k_cancelled(at, "FAILED", None)

    def _limit(self, at: Instance) -> None:
        if at.terms.timeout_ms is not None:
            at.due[TIME_LIMIT] = self.now + at.terms.timeout_ms

    def _owe(self, at: Instance, number: int, when: int) -> None:
        """A finished node stays due until all behind it are dealt with."""
        if at.nodes[number].cursor >= 0:
            at.due[number] = when
        else:
            at.due.pop(number, None)

    def _close_if_ended(self, at: Instance) -> None:
        if at.terminal and at.finished_at is None:
            at.finished_at = at.owed_again = self.now
            at.owes = at.terms.webhook
            at.due.clear()
            at.arrived.clear()
