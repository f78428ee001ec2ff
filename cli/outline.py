"""The outline of a DAG: a list in which branches are indented below the node where they begin, and joins are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Nodes = Mapping[str, Sequence[str]]  # id: ids of its dependencies


@dataclass(frozen=True, slots=True)
class Line:
    """`depth`: how far it is indented. `node` is None if the line stands for several nodes, which are in `ids`."""

    depth: int
    node: str | None
    ids: tuple[str, ...]


def order(nodes: Nodes) -> list[str]:
    """Every id after its dependencies. Nodes in a cycle, or below one, are left out."""
    waits = {id: {parent for parent in parents if parent in nodes} for id, parents in nodes.items()}
    children: dict[str, list[str]] = {id: [] for id in nodes}
    for id, parents in waits.items():
        for parent in parents:
            children[parent].append(id)
    done = [id for id, parents in waits.items() if not parents]
    for id in done:
        for child in children[id]:
            waits[child].discard(id)
            if not waits[child]:
                done.append(child)
    return done


def outline(nodes: Nodes) -> list[Line]:
    """Each node below its dominator: the nearest node that every path to it passes through. A node's only successor is
    on the node's own level, as is a join; branches that begin there are indented, and what follows in a branch, too."""
    above: dict[str, str | None] = {}
    rank: dict[str | None, int] = {None: 0}
    below: dict[str | None, list[str]] = {None: []}
    for id in order(nodes):
        parents = [parent for parent in nodes[id] if parent in nodes]
        meet: str | None = parents[0] if parents else None
        for parent in parents[1:]:
            meet = _meet(meet, parent, above, rank)
        above[id], rank[id], below[id] = meet, rank[meet] + 1, []
        below[meet].append(id)
    lines: list[Line] = []
    stack = _level(below[None], nodes, depth=-1, is_branch=False)
    while stack:
        id, depth, is_branch = stack.pop()
        lines.append(Line(depth, id, (id,)))
        stack += _level(below[id], nodes, depth=depth, is_branch=is_branch)
    return lines


def _level(ids: Sequence[str], nodes: Nodes, *, depth: int, is_branch: bool) -> list[tuple[str, int, bool]]:
    """The nodes right below a node, last first: (id, depth, whether it is one of several branches)."""
    branches = [id for id in ids if len(nodes[id]) <= 1]
    joins = [id for id in ids if len(nodes[id]) > 1]
    here = depth + 1 if is_branch or depth < 0 else depth  # on the node's own level, unless that is a branch
    several = len(branches) > 1 or bool(joins)
    deeper = here + 1 if several and depth >= 0 else here
    return [*((id, here, False) for id in reversed(joins)), *((id, deeper, several) for id in reversed(branches))]


def _meet(
    one: str | None, other: str | None, above: Mapping[str, str | None], rank: Mapping[str | None, int]
) -> str | None:
    """The nearest node that dominates both; it may be one of them."""
    while one != other:
        if rank[one] < rank[other]:
            one, other = other, one
        one = above[one] if one is not None else None
    return one


def fold(lines: Sequence[Line], room: int, weight: Callable[[str], int]) -> list[Line]:
    """About `room` lines at most: the heaviest nodes stay, of equals the least indented; one line replaces each gap."""
    if len(lines) <= room:
        return list(lines)
    # Each line that stays may be preceded by one that replaces a gap.
    ranked = sorted(range(len(lines)), key=lambda place: (-weight(lines[place].ids[0]), lines[place].depth, place))
    stay = set(ranked[: max(room // 2, 1)])
    folded: list[Line] = []
    hidden: list[Line] = []

    def close() -> None:
        if hidden:
            folded.append(Line(min(line.depth for line in hidden), None, tuple(line.ids[0] for line in hidden)))
            hidden.clear()

    for place, line in enumerate(lines):
        if place in stay:
            close()
            folded.append(line)
        else:
            hidden.append(line)
    close()
    return folded
