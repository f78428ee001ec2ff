"""Checks of an instance that has ended, and of what may never change before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis

from tests.chaos.diary import END, START, Entry
from tests.chaos.workload import Ending, endings
from tests.support.invariants import check_invariants

FINAL = {"COMPLETED", "FAILED", "SKIPPED", "CANCELLED"}
OVER = {"COMPLETED", "FAILED", "CANCELLED"}


@dataclass(slots=True, kw_only=True)
class Accepted:
    """An instance that was answered with a 2xx. `view` and `results` are what was read of it last."""

    instance_id: str
    execution_id: str
    key: str
    definition: dict[str, Any]
    base: int
    view: dict[str, Any] | None = None
    results: dict[str, Any] | None = None

    @property
    def over(self) -> bool:
        return self.view is not None and self.view["status"] in OVER

    def saw(self, view: dict[str, Any]) -> None:
        """Check S3 as a client sees it: a final state stays, with its attempt and its times."""
        if self.view is not None:
            if self.over:
                assert view == self.view, f"a terminal instance changed: {self.view} became {view}"
            for id, before in self.view["nodes"].items():
                if before["status"] in FINAL:
                    assert view["nodes"][id] == before, f"{id} changed from {before} to {view['nodes'][id]}"
        self.view = view

    def read(self, results: dict[str, Any]) -> None:
        """Check S2 as a client sees it: a result that was read once stays."""
        assert self.results in (None, results), f"results changed: {self.results} became {results}"
        self.results = results


class Runs:
    """The diary's entries about one instance. `position` has the place of each start and end in the diary, by token."""

    def __init__(self, entries: list[Entry], instance_id: str) -> None:
        self.of: dict[str, Entry] = {}
        self.position: dict[tuple[str, str], int] = {}
        for place, entry in enumerate(entries):
            if entry.instance == instance_id:
                self.of[entry.token] = entry
                self.position[entry.what, entry.token] = place

    @property
    def starts(self) -> list[Entry]:
        return [self.of[token] for what, token in self.position if what == START]


def check(one: Accepted, store: redis.Redis, entries: list[Entry]) -> None:
    """Check the status, the results, and S1, S2, S4, S5 and L2. `view` and `results` were read before."""
    view, results = one.view, one.results
    assert view is not None
    assert results is not None
    expected = endings(one.definition, one.base)
    states = {id: ending.status for id, ending in expected.items()}
    assert {id: node["status"] for id, node in view["nodes"].items()} == states, f"{view} should be {states}"
    assert view["status"] == ("FAILED" if "FAILED" in states.values() else "COMPLETED"), view
    counts = Counter(states.values())
    assert {state: view["progress"][state.lower()] for state in FINAL} == {state: counts[state] for state in FINAL}
    assert check_invariants(store, one.instance_id) == view["status"]
    _check_runs(one, expected, Runs(entries, one.instance_id))


def _check_runs(one: Accepted, expected: dict[str, Ending], runs: Runs) -> None:
    assert one.view is not None
    assert one.results is not None
    attempts = Counter((entry.node, entry.attempt) for entry in runs.starts)
    assert set(attempts.values()) <= {1}, f"L2: an attempt ran twice: {attempts.most_common(3)} of {one.instance_id}"
    committed: dict[str, str] = {}
    for node in one.definition["dag"]["nodes"]:
        id, ending = node["id"], expected[node["id"]]
        ran = any(entry.node == id for entry in runs.starts)
        assert not (ran and ending.status == "SKIPPED"), f"{id} ran, though an ancestor failed"
        if ending.value is None:
            continue
        result = one.results["results"][id]
        assert result["value"] == ending.value, f"{id} yields {result}, not {ending}"
        named = result["named"]["value"] if result["named"] else None
        assert named == ending.named, f"{id} yields {result}, not {ending}"
        # The result is that of the attempt which held the lease, as the handler itself recorded it.
        holder = runs.of[result["token"]]
        assert (holder.node, holder.attempt, holder.what) == (id, one.view["nodes"][id]["attempt"], END), holder
        committed[id] = result["token"]
    for node in one.definition["dag"]["nodes"]:
        for start in (entry for entry in runs.starts if entry.node == node["id"]):
            for parent in node["dependencies"]:
                if parent in committed:
                    first = runs.position[END, committed[parent]]
                    assert first < runs.position[START, start.token], f"S1: {start} began before {parent} had ended"
