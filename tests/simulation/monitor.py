"""Watches every transition for the invariants of docs/invariants.md: S1 to S5 after each step, L2 as handlers start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from copy import copy
from typing import Any

from chalicelib import ids
from chalicelib.core.calls import Due
from chalicelib.core.plan import Plan
from chalicelib.handlers.api import Context
from tests.simulation.faults import Faults
from tests.support.invariants import Picture, check_picture, take_picture

Saved = tuple[dict[str, Picture], dict[tuple[str, str, int], object]]


def _lasting(picture: Picture) -> tuple[Any, ...]:
    meta = {name: value for name, value in picture.meta.items() if name != "owes"}
    return meta, picture.nodes, picture.results


class Broken(BaseException):
    """An invariant does not hold. It is no Exception, so that the engine cannot swallow it."""


class Monitor:
    """`now_ms` is the store's clock. The holder of a lease is the process that got the answer to the claim."""

    def __init__(
        self, client: Any, now_ms: Callable[[], int], broken: Callable[[Broken], None], faults: Faults
    ) -> None:
        self._client, self._now_ms, self._broken, self._faults = client, now_ms, broken, faults
        self.sweeper: object = None
        # Users pause, cancel and rerun instances, so the sweep may have something to repair without a fault.
        self.operated = False
        self.queued: Callable[[str, int, int], bool] | None = None
        self.plans: dict[str, Plan] = {}
        self.pictures: dict[str, Picture] = {}
        self.transitions = 0
        self.failovers = 0
        self.dead_letters: set[tuple[str, int]] = set()
        self.starts: Counter[tuple[str, str, int]] = Counter()
        self.trace: Callable[[str], None] | None = None
        self._ancestors: dict[str, list[set[int]]] = {}
        self._leases: dict[tuple[str, str, int], object] = {}
        self._keys: dict[tuple[str, str, int], str] = {}

    def know(self, execution_id: str, plan: Plan) -> None:
        ancestors: list[set[int]] = [set() for _ in plan.nodes]
        for number, node in enumerate(plan.nodes):  # the scenario lists parents before their children
            for parent in node.dependencies:
                ancestors[number] |= {parent} | ancestors[parent]
        self.plans[execution_id], self._ancestors[execution_id] = plan, ancestors

    # what is observed

    def saw(self, name: str, args: tuple[Any, ...], named: dict[str, Any], answer: Any, owner: object) -> None:
        """Check a transition that took place; `answer` is what it returned."""
        self.transitions += 1
        if self.trace:
            self.trace(f"{owner} {name} {args} {named} -> {answer}")
        instance_id = args[0].instance_id if name == "create" else args[0]
        before, after = self.pictures.get(instance_id), take_picture(self._client, instance_id)
        if after is None:
            self.require(before is None, f"{name} made {instance_id} vanish")
            return
        try:
            check_picture(after)
        except AssertionError as error:
            self.require(False, f"S4/S5 after {name} {named}: {error}")
        self._check_parents(after, name)
        self._lease(name, instance_id, named, answer, owner)
        if before is not None:
            self._check_change(name, instance_id, named, before, after, owner)
            if name in ("fail", "lose") and answer.outcome in ("RETRY", "FAILED"):
                held = before.nodes[str(named["node"])][1]
                self.require(held == str(named["attempt"]), f"S2: {name} of a straggler: {named['node']}")
            if name == "take_due" and owner is self.sweeper and not self._faults.happened and not self.operated:
                self._check_sweep(instance_id, answer, before)
        self.pictures[instance_id] = after

    def started(self, context: Context) -> None:
        """Check a handler that starts."""
        instance_id, node_id, attempt = context.instance_id, context.node_id, context.attempt
        key, epoch = context.idempotency_key, context.epoch
        self.starts[instance_id, node_id, attempt] += 1
        if self.trace:
            self.trace(f"{node_id} starts, attempt {attempt}")
        self.require(
            self.starts[instance_id, node_id, attempt] <= 1 + self.failovers,
            f"L2: attempt {attempt} of {node_id} started twice",
        )
        self.require(self._keys.setdefault((instance_id, node_id, epoch), key) == key, f"L2: {node_id} has two keys")

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            error = Broken(what)
            self._broken(error)
            raise error

    # a failover takes the store, and what the monitor knows of it, back to an earlier moment

    def save(self) -> Saved:
        return copy(self.pictures), copy(self._leases)

    def load(self, saved: Saved, shards: Collection[str]) -> None:
        """Restore what was saved, for the instances of these shards."""
        pictures, leases = saved
        self.pictures = {id: one for id, one in self.pictures.items() if ids.shard(id) not in shards} | {
            id: one for id, one in pictures.items() if ids.shard(id) in shards
        }
        self._leases = {key: one for key, one in self._leases.items() if ids.shard(key[0]) not in shards} | {
            key: one for key, one in leases.items() if ids.shard(key[0]) in shards
        }
        self.failovers += 1

    # S1, S2, S3

    def _check_parents(self, picture: Picture, name: str) -> None:
        execution_id = picture.meta["execution_id"]
        plan, ancestors = self.plans[execution_id], self._ancestors[execution_id]
        completed = {int(node) for node, record in picture.nodes.items() if record[0] in "CI"}
        first = int(picture.meta.get("first", 1))
        failed = {int(node) for node, record in picture.nodes.items() if record[0] == "F"}
        for node, (status, attempt, failures, lost, *_) in picture.nodes.items():
            if node == "-1":
                continue
            if status == "S":
                self.require(bool(ancestors[int(node)] & failed), f"S1: {node} is skipped, no ancestor failed ({name})")
                continue
            parents = set(plan.nodes[int(node)].dependencies)
            self.require(
                parents <= completed, f"S1: {node} is {status}, of its parents {parents - completed} are not C"
            )
            tries = first - 1 + int(failures) + int(lost) + (0 if status in "FI" else 1)
            # Nodes that stay from an earlier epoch keep their number.
            right = int(attempt) == tries or int(attempt) < first
            self.require(right, f"L2: {node} {status} has attempt {attempt}, and {failures}+{lost}")

    def _check_sweep(self, instance_id: str, due: Due, before: Picture) -> None:
        """Without faults the sweep finds nothing lost, but only what waits for a worker, or for its time."""
        self.require(not due.settle, f"P1: the sweep had to settle {due.settle}")
        if self.queued is None:
            return
        for ready in due.send:
            status, _, _, _, sends, *_ = before.nodes[str(ready.node)]
            self.require(status == "Q", f"P1: node {ready.node} lost its lease without a fault")
            waits = sends == "0" or self.queued(instance_id, ready.node, ready.attempt)  # 0: a delay over 900 s
            self.require(waits, f"P1: nobody had sent node {ready.node}")

    def _lease(self, name: str, instance_id: str, named: dict[str, Any], answer: Any, owner: object) -> None:
        if name == "claim":
            for claimed in answer.nodes:
                if claimed.outcome == "CLAIMED":
                    self._hold(instance_id, claimed.node, claimed.attempt, owner)
        elif name == "complete":
            for node in answer.claimed:
                self._hold(instance_id, node, answer.first, owner)

    def _hold(self, instance_id: str, node: int, attempt: int, owner: object) -> None:
        holder = self._leases.setdefault((instance_id, str(node), attempt), owner)
        self.require(holder is owner, f"S2: attempt {attempt} of node {node} was claimed by two")

    def _check_change(
        self, name: str, instance_id: str, named: dict[str, Any], before: Picture, after: Picture, owner: object
    ) -> None:
        if name == "rerun":
            self._check_rerun(before, after, named)
            return
        if before.terminal:
            self.require(_lasting(before) == _lasting(after), f"S3: {name} changed a terminal instance")
        running = {node for node, record in after.nodes.items() if record[0] == "R"}
        begun = {node for node in running if before.nodes.get(node, ["Q"])[0] != "R"}
        self.require(not begun or "paused" not in before.meta, f"C1: {name} began {begun} of a paused instance")
        for node, value in before.results.items():
            self.require(after.results.get(node) == value, f"S2: {name} changed the result of {node}")
        attempts = {str(done.node): done.attempt for done in named.get("done", ())}
        for node in after.results.keys() - before.results.keys():
            self.require(name == "complete" and node in attempts, f"S2: {name} committed {node}")
            self.require(before.nodes[node][0] == "R", f"S2: {node} was committed without running")
            self.require(before.nodes[node][1] == str(attempts[node]), f"S2: {node}: another attempt held the lease")
            holder = self._leases.get((instance_id, node, attempts[node]))
            self.require(holder is owner or self.failovers > 0, f"S2: {node} was committed by who held no lease")
        for node, record in before.nodes.items():
            then = after.nodes.get(node)
            if then is None:
                self.require(node == "-1", f"S3: {name} forgot {node}")
            elif record[0] in "CFIS":
                self.require(record[0] == then[0], f"S3: {name} made {node} {then[0]} from {record[0]}")
            elif record[0] == "R" and int(then[3]) > int(record[3]):
                over = before.due[node] <= self._now_ms()
                self.require(over, f"L2: {name} took {node} from its worker before the lease was over")

    def _check_rerun(self, before: Picture, after: Picture, named: dict[str, Any]) -> None:
        """Check S3: only a rerun changes a terminal instance, and only the nodes that it was asked to run again."""
        if _lasting(before) == _lasting(after):
            return
        self.require(before.terminal, "S3: a live instance was run again")
        rerun_nodes = {str(node) for node in (*named["nodes"].ready, *named["nodes"].waiting)}
        for node, value in after.results.items():
            self.require(
                node not in rerun_nodes and before.results.get(node) == value, f"S2: rerun made a result of {node}"
            )
        for node, record in before.nodes.items():
            kept = node in after.nodes and after.nodes[node][:5] == record[:5]
            self.require(kept or node in rerun_nodes or node == "-1", f"S3: rerun changed {node}")
        for node in rerun_nodes & set(after.nodes):
            self.require(after.nodes[node][0] == "Q", f"S1: {node} is {after.nodes[node][0]} right after a rerun")
