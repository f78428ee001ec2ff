"""A DAG as an indented list: branches indented below the node where they begin, a join where they began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Nodes = Mapping[str, Sequence[str]]  # id: ids of its dependencies


@dataclass(frozen=True, slots=True)
class Line:
    """`depth` is how far it is indented; `node` is None for a line that stands for others, which `ids` are."""

    depth: int
    node: str | None
    ids: tuple[str, ...]


def order(nodes: Nodes) -> list[str]:
    """Every id after its dependencies. What is in a cycle, or behind one, is left out."""
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
    """A node is below the nearest node that every path to it goes through (its dominator). It is indented if it is one
    of several branches that begin there; an only child, and a join, are on the level of the node they are below."""
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
    stack = [(id, 0) for id in reversed(below[None])]
    while stack:
        id, depth = stack.pop()
        lines.append(Line(depth, id, (id,)))
        branches = [child for child in below[id] if len(nodes[child]) == 1]
        joins = [child for child in below[id] if len(nodes[child]) != 1]
        alone = len(branches) == 1 and not joins
        stack += [(child, depth) for child in reversed(joins)]
        stack += [(child, depth if alone else depth + 1) for child in reversed(branches)]
    return lines


def _meet(
    one: str | None, other: str | None, above: Mapping[str, str | None], rank: Mapping[str | None, int]
) -> str | None:
    """The nearest node above both, or one of them."""
    while one != other:
        if rank[one] < rank[other]:
            one, other = other, one
        one = above[one] if one is not None else None
    return one


def fold(lines: Sequence[Line], room: int, weight: Callable[[str], int]) -> list[Line]:
    """At most about `room` lines: the heaviest nodes stay, of equals the first; what is between them is one line."""
    if len(lines) <= room:
        return list(lines)
    # Each line that stays may bring one along that stands for what is before it.
    ranked = sorted(range(len(lines)), key=lambda place: (-weight(lines[place].ids[0]), place))
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
