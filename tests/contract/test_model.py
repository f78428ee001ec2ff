"""The Lua transitions compared with the model of the state diagram, in any order of calls: legal, stale, doubled or
nonsense.

MODEL_EXAMPLES=5000 runs more examples, of up to 40 calls each. They are then random, not the same each time.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chalicelib import ids
from chalicelib.core import graph
from chalicelib.core.calls import Children, Dispatching, Done, Hop, RerunNodes, Terms, Wanted
from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.records import Record
from chalicelib.core.rerun import plan_rerun
from chalicelib.core.retry import Retry
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref
from chalicelib.states import NODE_STATES
from chalicelib.store import keys
from chalicelib.store.scripts import LUA, sources
from tests.contract.model import EDGES, TRIGGER, Instance, Model, Node
from tests.support.invariants import check_invariants
from tests.support.virtual_clock import ClockedStore, VirtualClock

MORE = int(os.environ.get("MODEL_EXAMPLES", "0"))
RETENTION_SECONDS = 600
MAX_LOST = 2
RESEND_MS = 1000
OWNERS = ("one", "two")
# The whole instance in one answer, with the time to live of each key.
_WHOLE = """
local ttl = {}
for i = 1, 9 do ttl[i] = redis.call('PTTL', KEYS[i]) end
return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3]),
  redis.call('HGETALL', KEYS[4]), redis.call('HGETALL', KEYS[5]), redis.call('ZRANGE', KEYS[6], 0, -1, 'WITHSCORES'),
  redis.call('LRANGE', KEYS[7], 0, -1), redis.call('ZSCORE', KEYS[10], ARGV[1]), ttl,
  redis.call('LRANGE', KEYS[8], 0, -1), redis.call('HGETALL', KEYS[9]) }
"""


@dataclass
class Dag:
    """A graph of nodes; `step` entries of a list go into one call."""

    ref: Ref
    parents: list[list[int]]
    step: int
    terms: Terms
    children: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.children = graph.invert(self.parents)

    def unblocks(self, node: int, start: int = 0) -> Children:
        mine = self.children[node] if node != TRIGGER else [n for n, p in enumerate(self.parents) if not p]
        items = [value for child in mine[start : start + self.step] for value in (child, len(self.parents[child]) or 1)]
        return Children(items, self._cursor(start, mine))

    def skips(self, node: int, start: int = 0) -> Children:
        mine = graph.descendants(self.children, node)
        return Children(mine[start : start + self.step], self._cursor(start, mine))

    @property
    def plan(self) -> Plan:
        nodes = [PlanNode(str(n), "noop", tuple(p), {}, Retry(), None) for n, p in enumerate(self.parents)]
        return Plan("", nodes, {})

    def _cursor(self, start: int, mine: list[int]) -> int:
        return start + self.step if start + self.step < len(mine) else -1


@st.composite
def dags(draw: st.DrawFn) -> tuple[list[list[int]], int, Terms]:
    size = draw(st.integers(1, 6))
    if draw(st.booleans()):  # a fan: all are ready at the same moment
        parents = [[0] if node else [] for node in range(size)]
    else:
        parents = [sorted(draw(st.sets(st.integers(0, node - 1), max_size=3))) if node else [] for node in range(size)]
    ignores = draw(st.sampled_from([*[()] * 5, (1,), (0, 2), tuple(range(size))]))
    terms = Terms(
        name=draw(st.sampled_from(["", "one"])),
        fail_fast=draw(st.sampled_from([*[False] * 4, True])),
        ignores=tuple(number for number in ignores if number < size),
        timeout_ms=draw(st.sampled_from([None, None, 20_000])),
        webhook=draw(st.sampled_from([False, False, True])),
    )
    return parents, draw(st.sampled_from([1, 2, 500, 500])), terms


# Mostly what a correct caller sends; now and then an attempt that is over, that does not exist yet, or nonsense.
ATTEMPTS = st.sampled_from([0] * 9 + [-1, 1, 98])
PICKS = st.integers(0, 11)
STRAY = st.sampled_from([False] * 7 + [True])
DISPATCH = st.builds(Dispatching, taken=st.booleans(), resend_ms=st.sampled_from([RESEND_MS, 0]))
LEASES = st.sampled_from([0, 500, 5000])


class Transitions(RuleBasedStateMachine):
    """Calls store and model alike, and compares all that they hold after each call."""

    client: ClassVar[redis.Redis]
    clock: ClassVar[VirtualClock]
    overrides: ClassVar[dict[str, str]]
    walked: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.store = ClockedStore(
            self.client, self.clock, retention_seconds=RETENTION_SECONDS, overrides=self.overrides
        )
        self.model = Model(self.clock.now, self.walked)
        self.dags: list[Dag] = []

    # The calls.

    @initialize(dag=dags(), by=DISPATCH)
    def first(self, dag: tuple[list[list[int]], int, Terms], by: Dispatching) -> None:
        self.create(dag, by)

    def create(self, dag: tuple[list[list[int]], int, Terms], by: Dispatching) -> None:
        self.dags.append(Dag(Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION)), *dag))
        self._create(self.dags[-1], by)

    @rule(dag=dags(), by=DISPATCH, again=st.booleans(), which=PICKS)
    def create_another(self, dag: tuple[list[list[int]], int, Terms], by: Dispatching, again: bool, which: int) -> None:
        live = sum(not self._at(dag).terminal for dag in self.dags)
        if live == 2 or len(self.dags) == 5 or (again and which > 8):
            self._create(self._dag(which), by)
        else:
            self.create(dag, by)

    def _create(self, dag: Dag, by: Dispatching) -> None:
        total, params = len(dag.parents), b'{"p":%d}' % len(self.dags)
        roots = dag.unblocks(TRIGGER)
        self._both("create", dag.ref, total=total, params=params, roots=roots, by=by, terms=dag.terms)

    @rule(
        which=PICKS,
        picks=st.lists(st.tuples(PICKS, ATTEMPTS, STRAY), min_size=1, max_size=2),
        owner=st.sampled_from(OWNERS),
        lease_ms=LEASES,
    )
    def claim(self, which: int, picks: list[tuple[int, int, bool]], owner: str, lease_ms: int) -> None:
        dag = self._dag(which)
        wanted = []
        for pick, shift, stray in picks:
            node, attempt = self._node(dag, "QR", pick, shift, stray)  # a running one: a doubled message
            needs = tuple(dag.parents[node]) if node < len(dag.parents) else (0, 99)
            wanted.append(Wanted(node, attempt, needs))
        self._both("claim", dag.ref.instance_id, owner=owner, lease_ms=lease_ms, wanted=wanted)

    @rule(which=PICKS, pick=PICKS, shift=ATTEMPTS, stray=STRAY, lease_ms=LEASES)
    def extend(self, which: int, pick: int, shift: int, stray: bool, lease_ms: int) -> None:
        dag = self._dag(which)
        node, attempt = self._node(dag, "R", pick, shift, stray)
        self._both("extend", dag.ref.instance_id, node=node, attempt=attempt, lease_ms=lease_ms)

    @rule(
        which=PICKS,
        picks=st.lists(st.tuples(PICKS, ATTEMPTS, STRAY), min_size=1, max_size=3),
        by=DISPATCH,
        hop=st.booleans(),
        lease_ms=LEASES,
    )
    def complete(
        self, which: int, picks: list[tuple[int, int, bool]], by: Dispatching, hop: bool, lease_ms: int
    ) -> None:
        dag = self._dag(which)
        nodes = dict(self._node(dag, "R", pick, shift, stray) for pick, shift, stray in picks)
        self._complete(dag, nodes, by, lease_ms if hop else None)

    def _complete(self, dag: Dag, nodes: dict[int, int], by: Dispatching, hop_ms: int | None) -> None:
        """Complete nodes by their attempts. One child in three is never claimed, and a hop has room for one other."""
        known = range(len(dag.parents))
        done = [
            Done(
                node,
                attempt,
                b'"%d/%d"' % (node, attempt),
                dag.unblocks(node) if node in known else Children([0, 1]),
            )
            for node, attempt in nodes.items()
        ]
        hop = None if hop_ms is None else Hop("one", hop_ms, 1, {node: 1 for node in known if node % 3})
        self._both("complete", dag.ref.instance_id, done=done, by=by, hop=hop)

    @rule(which=PICKS, pick=PICKS, stray=STRAY, start=st.sampled_from([None, None, 0, 1, 2, -1]), by=DISPATCH)
    def settle(self, which: int, pick: int, stray: bool, start: int | None, by: Dispatching) -> None:
        """Continue at the cursor, or at a wrong place, as a late caller does."""
        dag = self._dag(which)
        at = self._at(dag)
        owing = [number for number, node in at.nodes.items() if node.cursor >= 0]
        known = owing if owing and not stray else list(at.nodes) or [0]
        node = known[pick % len(known)]
        record = at.nodes.get(node, Node("Q"))
        begin = record.cursor if start is None else start
        children = (dag.skips if record.status == "F" else dag.unblocks)(node, max(begin, 0))
        self._both("settle", dag.ref.instance_id, node=node, start=begin, children=children, by=by)

    @rule(
        which=PICKS,
        pick=PICKS,
        shift=ATTEMPTS,
        stray=STRAY,
        delay_ms=st.sampled_from([None, None, 0, 700, 60_000]),
        look_ms=st.sampled_from([RESEND_MS, 61_000]),
    )
    def fail(self, which: int, pick: int, shift: int, stray: bool, delay_ms: int | None, look_ms: int) -> None:
        dag = self._dag(which)
        node, attempt = self._node(dag, "R", pick, shift, stray)
        self._fail(dag, node, attempt, delay_ms, look_ms)

    @rule(which=PICKS, pick=PICKS, shift=ATTEMPTS, stray=STRAY)
    def dead_letter(self, which: int, pick: int, shift: int, stray: bool) -> None:
        dag = self._dag(which)
        node, attempt = self._node(dag, "Q", pick, shift, stray)
        self._both(
            "lose",
            dag.ref.instance_id,
            node=node,
            attempt=attempt,
            resend_ms=RESEND_MS,
            max_lost=MAX_LOST,
            error=b'{"type":"DeadLettered"}',
        )

    def _fail(self, dag: Dag, node: int, attempt: int, delay_ms: int | None, look_ms: int) -> None:
        self._both(
            "fail",
            dag.ref.instance_id,
            node=node,
            attempt=attempt,
            error=b'{"message":"%d"}' % attempt,
            delay_ms=delay_ms,
            look_ms=look_ms,
            descendants=self._stops(dag, node, delay_ms),
        )

    def _stops(self, dag: Dag, node: int, delay_ms: int | None) -> Children:
        if node >= len(dag.parents):
            return Children([])
        return Children([], 0) if delay_ms is None and node in dag.terms.ignores else dag.skips(node)

    @rule(which=PICKS, limit=st.sampled_from([10, 1, 2]), resend_ms=st.sampled_from([RESEND_MS, 0]))
    def take_due(self, which: int, limit: int, resend_ms: int) -> None:
        instance_id = self._dag(which).ref.instance_id
        self._both("take_due", instance_id, limit=limit, resend_ms=resend_ms, max_lost=MAX_LOST)

    @rule(which=PICKS, rarely=st.integers(0, 9))
    def end(self, which: int, rarely: int) -> None:
        if rarely > 7:
            status, error = "FAILED" if rarely == 8 else "CANCELLED", b'{"type":"WorkflowGone"}'
            self._both("end", self._dag(which).ref.instance_id, status=status, error=error)

    @rule(which=PICKS, resume=st.booleans())
    def pause(self, which: int, resume: bool) -> None:
        self._both("resume" if resume else "pause", self._dag(which).ref.instance_id)

    @rule(which=PICKS, by=DISPATCH)
    def paused_while_it_runs(self, which: int, by: Dispatching) -> None:
        """Pause while a node runs: what it unblocks is held back until the instance is resumed."""
        dag = self._dag(which)
        node, attempt = self._any(dag, "Q")
        self._both("claim", dag.ref.instance_id, owner="one", lease_ms=5000, wanted=[Wanted(node, attempt, ())])
        self._both("pause", dag.ref.instance_id)
        self._complete(dag, {node: attempt}, by, 5000)
        self._both("resume", dag.ref.instance_id)

    @rule(which=PICKS, rarely=st.integers(0, 9))
    def forget(self, which: int, rarely: int) -> None:
        """Forget an instance: a live one must be refused, and of a terminal one nothing may be left."""
        dag = self._dag(which)
        if self._at(dag).terminal and (rarely < 8 or len(self.dags) == 1):
            return
        if self._both("forget", dag.ref.instance_id) is Outcome.LEFT:
            self._both("take_due", dag.ref.instance_id, limit=1, resend_ms=RESEND_MS, max_lost=MAX_LOST)
            self._both("forget", dag.ref.instance_id, emptied=True)
        if dag.ref.instance_id not in self.model.instances:
            self.dags.remove(dag)
            assert self.client.exists(*keys.instance(dag.ref.instance_id)[:-2]) == 0
            assert self.client.zscore(keys.index(ids.shard(dag.ref.instance_id)), dag.ref.instance_id) is None

    @rule(which=PICKS, late=st.sampled_from([0, 0, 1]), again=st.booleans())
    def large_results_outlive_their_instance(self, which: int, late: int, again: bool) -> None:
        """They stay until a caller reports that they are deleted."""
        dag = self._dag(which)
        id, (node, attempt) = dag.ref.instance_id, self._any(dag, "Q")
        self._both("claim", id, owner="one", lease_ms=5000, wanted=[Wanted(node, attempt, ())])
        self._both("offload", id, node=node, attempt=attempt + late)
        if again and len(self.dags) > 1 and self._both("end", id, status="CANCELLED", error=b"{}") is Outcome.ENDED:
            self.forget(self.dags.index(dag) + 10 * len(self.dags), 9)

    @rule(which=PICKS, late=st.sampled_from([0, 0, 0, 1]))
    def clear_outbox(self, which: int, late: int) -> None:
        dag = self._dag(which)
        self._both("clear_outbox", dag.ref.instance_id, epoch=self._at(dag).epoch + late)

    @rule(which=PICKS, chosen=st.sets(PICKS, max_size=2), late=st.sampled_from([0, 0, 0, 1]), by=DISPATCH)
    def rerun(self, which: int, chosen: set[int], late: int, by: Dispatching) -> None:
        ended = [dag for dag in self.dags if self._at(dag).terminal] or self.dags
        dag = ended[which % len(ended)]
        at = self._at(dag)
        records = {
            number: Record(NODE_STATES[node.status], node.attempt, 0, 0, 0, node.cursor, None, None, None)
            for number, node in at.nodes.items()
            if number != TRIGGER
        }
        rerun_nodes = plan_rerun(dag.plan, records, {pick for pick in chosen if pick < len(dag.parents)})
        if rerun_nodes.ready or not at.terminal:
            params = b'{"again":1}' if chosen else None
            epoch = at.epoch + late
            self._both("rerun", dag.ref.instance_id, epoch=epoch, nodes=rerun_nodes, params=params, reason="why", by=by)

    @rule(
        which=PICKS,
        picks=st.lists(PICKS, min_size=1, max_size=3),
        endings=st.lists(
            st.sampled_from([*["complete", "hop"] * 3, "extend", "retry", "fail", "vanish"]), min_size=3, max_size=3
        ),
        by=DISPATCH,
    )
    def work(self, which: int, picks: list[int], endings: list[str], by: Dispatching) -> None:
        """Do what a correct worker does with a message, in several calls at once, so that instances make progress."""
        dag = self._dag(which)
        nodes = dict(self._node(dag, "Q", pick, 0, stray=False) for pick in picks)
        nodes = {node: attempt for node, attempt in nodes.items() if node < len(dag.parents)}
        wanted = [Wanted(node, attempt, tuple(dag.parents[node])) for node, attempt in nodes.items()]
        self._both("claim", dag.ref.instance_id, owner="one", lease_ms=5000, wanted=wanted)
        for (node, attempt), ending in zip(nodes.items(), endings, strict=False):
            if ending == "extend":
                self._both("extend", dag.ref.instance_id, node=node, attempt=attempt, lease_ms=9000)
            elif ending in ("retry", "fail"):
                self._fail(dag, node, attempt, 700 if ending == "retry" else None, RESEND_MS)
            elif ending != "vanish":
                self._complete(dag, {node: attempt}, by, 5000 if ending == "hop" else None)

    @rule(
        call=st.sampled_from(
            [
                "take_due",
                "claim",
                "extend",
                "complete",
                "settle",
                "fail",
                "lose",
                "end",
                "pause",
                "resume",
                "rerun",
                "clear_outbox",
                "forget",
                "offload",
            ]
        )
    )
    def no_such_instance(self, call: str) -> None:
        by, none = Dispatching(True, 1), Children([])
        arguments: dict[str, dict[str, Any]] = {
            "take_due": {"limit": 1, "resend_ms": 1, "max_lost": 1},
            "claim": {"owner": "one", "lease_ms": 1, "wanted": [Wanted(0, 1, ())]},
            "extend": {"node": 0, "attempt": 1, "lease_ms": 1},
            "complete": {"done": [Done(0, 1, b"1", none)], "by": by},
            "settle": {"node": 0, "start": 0, "children": none, "by": by},
            "fail": {"node": 0, "attempt": 1, "error": b"1", "delay_ms": None, "look_ms": 1} | {"descendants": none},
            "lose": {"node": 0, "attempt": 1, "resend_ms": 1, "max_lost": 1, "error": b"1"},
            "end": {"status": "FAILED", "error": b"1"},
            "pause": {},
            "resume": {},
            "rerun": {"epoch": 1, "nodes": RerunNodes([], {}, 1), "params": None, "reason": "", "by": by},
            "clear_outbox": {"epoch": 1},
            "forget": {},
            "offload": {"node": 0, "attempt": 1},
        }
        self._both(call, "in-" + "0" * 30, **arguments[call])

    @rule(ms=st.sampled_from([1, 499, 500, 1000, 2000, 5000, 100_000]))
    def time_passes(self, ms: int) -> None:
        self.model.now = self.clock.advance(ms)

    @rule(which=PICKS, by=DISPATCH, call=st.sampled_from(["complete", "extend", "fail"]))
    def straggler(self, which: int, by: Dispatching, call: str) -> None:
        """A worker that lost its lease does not know it, while the node runs again as a later attempt."""
        dag = self._dag(which)
        self._both("claim", dag.ref.instance_id, owner="one", lease_ms=0, wanted=[Wanted(*self._any(dag, "Q"), ())])
        self._both("take_due", dag.ref.instance_id, limit=10, resend_ms=RESEND_MS, max_lost=MAX_LOST)
        node, attempt = self._any(dag, "Q")
        self._both("claim", dag.ref.instance_id, owner="two", lease_ms=5000, wanted=[Wanted(node, attempt, ())])
        if call == "complete":
            self._complete(dag, {node: attempt - 1}, by, None)
        elif call == "fail":
            self._fail(dag, node, attempt - 1, None, RESEND_MS)
        else:
            self._both("extend", dag.ref.instance_id, node=node, attempt=attempt - 1, lease_ms=9000)

    @rule(ms=st.sampled_from([0, 1000, 5000, 100_000]), resend_ms=st.sampled_from([RESEND_MS, 0]), by=DISPATCH)
    def sweep(self, ms: int, resend_ms: int, by: Dispatching) -> None:
        """Do what a correct sweep does: look at everything that is due, and settle what is handed out."""
        self.time_passes(ms)
        for dag in self.dags:
            instance_id = dag.ref.instance_id
            due = self._both("take_due", instance_id, limit=10, resend_ms=resend_ms, max_lost=MAX_LOST)
            for owed in due.settle:
                children = (dag.skips if owed.failed else dag.unblocks)(owed.node, owed.cursor)
                self._both("settle", instance_id, node=owed.node, start=owed.cursor, children=children, by=by)

    # The invariants.

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        for dag in self.dags:
            instance_id = dag.ref.instance_id
            at = self.model.instances[instance_id]
            names = keys.instance(instance_id)
            whole = self.client.eval(_WHOLE, len(names), *names, instance_id)
            assert _held(whole, at) == _expected(at)
            check_invariants(self.client, instance_id)
            for number, node in at.nodes.items():
                # S1, which the model cannot check, since it never saw the graph. (S4 and S5 were checked just now.)
                if number != TRIGGER and node.status in "QRCI":
                    assert all(at.nodes[parent].status in "CI" for parent in dag.parents[number])

    @invariant()
    def what_is_due_is_found(self) -> None:
        overdue = set(self.store.overdue(limit=1000))
        for dag in self.dags:
            look_at = self.model.instances[dag.ref.instance_id].look_at
            assert (dag.ref.instance_id in overdue) == (look_at is not None and look_at <= self.clock.now)

    def teardown(self) -> None:
        for dag in self.dags:
            self.store.end(dag.ref.instance_id, status="FAILED", error=b"{}")  # live instances have no time to live
            self.store.forget(dag.ref.instance_id, emptied=True)

    # The choices of the rules.

    def _dag(self, which: int) -> Dag:
        """Choose an instance, mostly a live one, since the others refuse everything."""
        live = [dag for dag in self.dags if not self._at(dag).terminal]
        among = live if live and which < 10 else self.dags
        return among[which % len(among)]

    def _at(self, dag: Dag) -> Instance:
        return self.model.instances[dag.ref.instance_id]

    def _any(self, dag: Dag, status: str) -> tuple[int, int]:
        """Choose the node with most attempts among those in this state."""
        nodes = self._at(dag).nodes.items()
        fitting = [(node.attempt, number) for number, node in nodes if node.status == status and number != TRIGGER]
        attempt, number = max(fitting, default=(1, 0))
        return number, attempt

    def _node(self, dag: Dag, status: str, pick: int, shift: int, stray: bool) -> tuple[int, int]:
        """Choose a node in one of these states, with its attempt; any number if there is none, or with `stray`."""
        at = self._at(dag)
        fitting = [number for number, node in at.nodes.items() if node.status in status and number != TRIGGER]
        number = pick % (len(dag.parents) + 1) if stray or not fitting else fitting[pick % len(fitting)]
        node = at.nodes.get(number)
        return number, (node.attempt if node else 1) + shift

    def _both(self, call: str, *args: Any, **arguments: Any) -> Any:
        # The model first: if it raises, the rule is wrong and not the store.
        expected = getattr(self.model, call)(*args, **arguments)
        assert getattr(self.store, call)(*args, **arguments) == expected
        return expected


def _expected(at: Instance) -> dict[str, Any]:
    return {
        "status": at.status,
        "execution_id": at.execution_id,
        "params": at.params,
        "times": (at.created_at, at.started_at, at.finished_at),
        "error": (at.error, at.error_node),
        "counts": at.counts,
        "nodes": at.nodes,
        "arrived": at.arrived,
        "results": at.results,
        "errors": at.errors,
        "due": at.due,
        "done": [at.status] if at.terminal else [],
        "index": at.look_at,
        "kept_for_ever": not at.terminal,
        "about": (at.epoch, at.first, at.paused, at.owes, at.terms.name),
        "events": at.events,
        "archived": at.archived,
        "stowed": at.stowed,
    }


def _held(whole: Any, at: Instance) -> dict[str, Any]:
    """Return the store's keys in the form of the model."""
    meta, nodes, arrived, results, errors = (dict(zip(flat[::2], flat[1::2], strict=True)) for flat in whole[:5])
    due = dict(zip(whole[5][::2], whole[5][1::2], strict=True))
    archived = dict(zip(whole[10][::2], whole[10][1::2], strict=True))
    counts = {name: int(meta[name.encode()]) for name in ("total", "running", "completed", "failed", "skipped")}
    counts["cancelled"] = int(meta[b"cancelled"])
    counts["pending"] = 2 * counts["total"] - sum(counts.values())
    # -2: no such key. The history and the archive, which are the last two, always have one.
    lives = [ttl for ttl in whole[8][:-2] if ttl != -2]
    assert -1 not in whole[8][-2:]
    # Times to live run by the server's clock, so they are shorter by the time that the test has taken.
    bounded = all(0 < ttl <= RETENTION_SECONDS * 1000 for ttl in lives)
    assert bounded or all(ttl == -1 for ttl in lives), lives
    return {
        "status": meta[b"status"].decode(),
        "execution_id": meta[b"execution_id"].decode(),
        "params": meta[b"params"],
        "times": tuple(_number(meta.get(name)) for name in (b"created_at", b"started_at", b"finished_at")),
        "error": (meta.get(b"error"), _number(meta.get(b"error_node"))),
        "counts": counts,
        "nodes": {int(number): _node(record) for number, record in nodes.items()},
        "arrived": _numbers(arrived),
        "results": {int(number): value for number, value in results.items()},
        "errors": {int(number): value for number, value in errors.items()},
        "due": _numbers(due),
        "done": [entry.decode() for entry in whole[6]],
        "index": _number(whole[7]),
        "kept_for_ever": not bounded,
        "about": (
            int(meta.get(b"epoch", 1)),
            int(meta.get(b"first", 1)),
            b"paused" in meta,
            b"owes" in meta,
            meta.get(b"name", b"").decode(),
        ),
        "events": [(event["event"], event.get("node"), event.get("attempt")) for event in map(json.loads, whole[9])],
        "stowed": archived.pop(b"stowed", None) is not None,
        "archived": {tuple(map(int, name.split(b":"))): _archived(kept) for name, kept in archived.items()},
    }


def _archived(kept: bytes) -> tuple[str, bytes | None]:
    record, _, result = kept.partition(b"\n")
    return record[:1].decode(), result or None


def _node(raw: bytes) -> Node:
    status, attempt, failures, lost, sends, cursor, queued, started, finished, owner = raw.decode().split(":", 9)
    counts = (int(attempt), int(failures), int(lost), int(sends), int(cursor))
    return Node(status, *counts, _number(queued), _number(started), _number(finished), owner)


def _number(raw: bytes | str | None) -> int | None:
    return int(raw) if raw else None


def _numbers(raw: dict[bytes, bytes]) -> dict[int, int]:
    return {int(key): int(value) for key, value in raw.items()}


@pytest.fixture
def machine(valkey_url: str) -> Iterator[Callable[..., type[Transitions]]]:
    """Return a function that makes machines, each with its own broken lines."""
    with redis.Redis.from_url(valkey_url) as client, VirtualClock(client, key="sim:now:model") as clock:

        def make(**overrides: str) -> type[Transitions]:
            fields = {"client": client, "clock": clock, "overrides": overrides, "walked": Counter()}
            return type("Transitions", (Transitions,), fields)

        yield make


def bounded(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        derandomize=not MORE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def test_the_store_is_what_the_model_says(machine: Callable[..., type[Transitions]]) -> None:
    transitions = machine()
    run_state_machine_as_test(transitions, settings=bounded(MORE or 200))
    missed = [edge for edge in EDGES if transitions.walked[edge] < 5]
    assert not missed, f"edges that were hardly walked: {missed}; {transitions.walked}"


BROKEN = {
    "complete does not look at the attempt": (
        "complete",
        "elseif not record or record.status ~= 'R' or record.attempt ~= attempt then",
        "elseif not record or record.status ~= 'R' then",
    ),
    "extend does not look at the attempt": ("extend", " or record.attempt ~= attempt", ""),
    "a completed node stays due": ("complete", "redis.call('ZREM', DUE, unpack(done))", ""),
    "an ended instance is not closed": ("lib/instance", "    close(id, instance, now)\n  else", "  else"),
    "a lost lease keeps its attempt": ("lib/lose", "record.attempt + 1", "record.attempt"),
    "a doubled claim is let in": ("claim", "record.owner == owner and 'CLAIMED' or 'RUNNING'", "'CLAIMED'"),
    "settle does not look at the cursor": ("settle", "record.cursor ~= start", "false"),
    "a join does not wait": ("lib/unblock", "count[child] == parents[child] -- all", "true -- all"),
    "a re-send is not put off": ("take_due", "record.sends = record.sends + 1", ""),
    "the index is not renewed": ("extend", "reindex(id)", ""),
    "an old error stays": ("complete", "redis.call('HDEL', ERRORS, node)", ""),
    "a hop claims more than there is room for": ("lib/unblock", "hop.budget = hop.budget - weight", ""),
    "a paused instance starts a node": ("claim", "record.status == 'Q' and instance.paused", "false"),
    "a paused instance runs on": ("lib/unblock", "not instance.paused and hop.weights", "hop.weights"),
    "a rerun begins with old attempts": ("rerun", "'first', first, 'cancelled'", "'first', 1, 'cancelled'"),
    "a rerun does not look at the epoch": ("rerun", "tonumber(v[2] or 1) ~= epoch", "false"),
    "a rerun forgets the old results": ("rerun", "if #kept > 0 then", "if false then"),
    "an ignored failure stops its children": ("lib/lose", "record.status = 'I'", "record.status = 'F'"),
    "a first failure does not end the others": ("lib/lose", "instance.give_up = fail_fast and cut", ""),
    "an instance has no time limit": (
        "lib/ending",
        "if limit then redis.call('ZADD', DUE",
        "if false then redis.call('ZADD', DUE",
    ),
    "a resumed node stays held": ("resume", "'HDEL', META, 'paused'", "'HGET', META, 'paused'"),
    "a list keeps what has ended": (
        "lib/instance",
        "  enlist(id, instance)\n  if instance.webhook",
        "  if instance.webhook",
    ),
    "large results are forgotten with their instance": ("lib/ending", "if not left then", "if true then"),
    "a dead letter loses what runs": ("lose", "record.status ~= 'Q' or", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_noticed(machine: Callable[..., type[Transitions]], name: str) -> None:
    file, old, new = BROKEN[name]
    source = (sources(LUA) | {f"lib/{name}": text for name, text in sources(LUA / "lib").items()})[file]
    assert old in source, "the line is not there any more: choose another"
    broken = machine(**{file: source.replace(old, new)})
    with pytest.raises((AssertionError, redis.exceptions.ResponseError)):
        # The first failure ends the search, so a high bound costs nothing, and rare failures are found, too.
        run_state_machine_as_test(broken, settings=bounded(5000, phases=[Phase.generate], report_multiple_bugs=False))
