"""The nodes that a rerun runs again, what they wait for, and the results of an earlier epoch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.calls import RerunNodes
from chalicelib.core.plan import Plan, PlanNode
from chalicelib.core.records import Archived, Record
from chalicelib.core.rerun import as_of, plan_rerun
from chalicelib.core.retry import Retry
from chalicelib.states import NodeState

# 0 and 1 are roots; 2 waits for both, 3 for 2 and 1, 4 for 0 alone.
PARENTS = [(), (), (0, 1), (2, 1), (0,)]
PLAN = Plan("w", [PlanNode(f"n{n}", "noop", above, {}, Retry(), None) for n, above in enumerate(PARENTS)], {})


def records(letters: str, attempts: str = "11111", owing: tuple[int, ...] = ()) -> dict[int, Record]:
    """Return records from a letter for each node, or a dot for a node without one."""
    return {
        node: Record(NodeState(letter), int(attempt), 0, 0, 1, 0 if node in owing else -1, 1, 2, 3)
        for node, (letter, attempt) in enumerate(zip(letters, attempts, strict=True))
        if letter != "."
    }


@pytest.mark.parametrize(
    ("before", "chosen", "rerun_nodes"),
    [
        ("CCCCC", [], RerunNodes([], {}, 2)),
        ("CCCCC", [3], RerunNodes([3], {}, 2)),
        ("CCCCC", [2], RerunNodes([2], {3: 1}, 2)),
        ("CCCCC", [0], RerunNodes([0], {2: 1, 3: 1, 4: 0}, 2)),
        ("CCCCC", [0, 1], RerunNodes([0, 1], {2: 0, 3: 0, 4: 0}, 2)),
        # Nodes that did not succeed always run again, and so do the nodes that depend on them.
        ("CFSSC", [], RerunNodes([1], {2: 1, 3: 0}, 2)),
        ("CFSSC", [4], RerunNodes([1, 4], {2: 1, 3: 0}, 2)),
        # An ignored failure counts like a completion.
        ("CIC.C", [], RerunNodes([3], {}, 2)),
        ("CR.QC", [], RerunNodes([1], {2: 1, 3: 0}, 2)),
        (".....", [], RerunNodes([0, 1], {2: 0, 3: 0, 4: 0}, 1)),
    ],
)
def test_what_begins_anew(before: str, chosen: list[int], rerun_nodes: RerunNodes) -> None:
    assert plan_rerun(PLAN, records(before), chosen) == replace(rerun_nodes, owing=[])


def test_attempts_begin_above_any_before() -> None:
    assert plan_rerun(PLAN, records("CCCCC", "13219"), [3]).first == 10


def test_what_stays_owes_nothing_any_more() -> None:
    rerun_nodes = plan_rerun(PLAN, records("CCCCC", owing=(0, 1, 3)), [3])
    assert rerun_nodes == RerunNodes([3], {}, 2, [0, 1])


def archived(epoch: int, node: int, result: bytes | None) -> Archived:
    return Archived(epoch, node, Record(NodeState.COMPLETED, 1, 0, 0, 1, -1, 1, 2, 3), result)


def test_results_of_an_earlier_epoch_are_those_that_were_replaced_after_it() -> None:
    now = {0: b"now", 1: b"now", 3: b"now"}
    archive = [archived(2, 1, b"second"), archived(1, 1, b"first"), archived(1, 2, b"first"), archived(2, 3, None)]
    assert as_of(now, archive, 3) == now
    assert as_of(now, archive, 2) == {0: b"now", 1: b"second"}
    assert as_of(now, archive, 1) == {0: b"now", 1: b"first", 2: b"first"}
    assert as_of(now, archive[::-1], 1) == {0: b"now", 1: b"first", 2: b"first"}
    assert now == {0: b"now", 1: b"now", 3: b"now"}
