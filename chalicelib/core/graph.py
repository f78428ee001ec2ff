"""Directed graphs over node indices. Every function is linear in nodes and edges, and iterative: no depth breaks it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence


def topological_order(parents: Sequence[Sequence[int]]) -> list[int]:
    """Parents before children. Nodes on a cycle, and those behind one, are left out: compare the lengths."""
    children = invert(parents)
    waiting = [len(mine) for mine in parents]
    ready = deque(node for node, count in enumerate(waiting) if count == 0)
    order = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for child in children[node]:
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return order


def invert(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Children from parents, or the other way round."""
    children: list[list[int]] = [[] for _ in parents]
    for node, mine in enumerate(parents):
        for parent in mine:
            children[parent].append(node)
    return children


def cycles(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cycles that share no node, each in the direction of the edges; at least one in every connected part that has any.

    Each node that the topological order leaves out has a parent that it leaves out, too: so a walk from parent to
    parent must return to a node that it has passed.
    """
    left = set(range(len(parents))) - set(topological_order(parents))
    done: set[int] = set()
    found = []
    for start in sorted(left):
        path: list[int] = []
        place: dict[int, int] = {}
        node = start
        while node not in done and node not in place:
            place[node] = len(path)
            path.append(node)
            node = next(parent for parent in parents[node] if parent in left)
        if node in place:
            found.append(path[place[node] :][::-1])
        done.update(path)
    return found


def not_ancestors(
    parents: Sequence[Sequence[int]], order: Sequence[int], pairs: Iterable[tuple[int, int]]
) -> set[tuple[int, int]]:
    """The (node, target) pairs whose target is not an ancestor of the node.

    Direct parents are found at once. For the others, each node gets a bit set of its ancestors among the targets: that
    is one word operation for each edge and 64 targets.
    """
    direct: dict[int, frozenset[int]] = {}
    asked = []
    for node, target in pairs:
        if node not in direct:
            direct[node] = frozenset(parents[node])
        if target not in direct[node]:
            asked.append((node, target))
    if not asked:
        return set()
    bit = {target: 1 << number for number, target in enumerate(sorted({target for _, target in asked}))}
    above = [0] * len(parents)
    for node in order:
        reach = 0
        for parent in parents[node]:
            reach |= above[parent] | bit.get(parent, 0)
        above[node] = reach
    return {(node, target) for node, target in asked if not above[node] & bit[target]}


def levels(parents: Sequence[Sequence[int]], order: Sequence[int]) -> list[list[int]]:
    """The nodes by the length of the longest path to them: within a level, no node depends on another."""
    depth = [0] * len(parents)
    found: list[list[int]] = []
    for node in order:
        depth[node] = max((depth[parent] + 1 for parent in parents[node]), default=0)
        if depth[node] == len(found):
            found.append([])
        found[depth[node]].append(node)
    return [sorted(level) for level in found]


def longest_path(parents: Sequence[Sequence[int]], order: Sequence[int], weights: Sequence[float]) -> list[int]:
    """The path with the largest total weight; of several, the one with the smaller indices, compared from its end."""
    length = [0.0] * len(parents)
    for node in order:
        length[node] = weights[node] + max((length[parent] for parent in parents[node]), default=0.0)
    path = [max(range(len(parents)), key=length.__getitem__)]
    while above := parents[path[-1]]:
        path.append(max(above, key=lambda parent: (length[parent], -parent)))
    return path[::-1]


def descendants(children: Sequence[Sequence[int]], start: int) -> list[int]:
    """Everything that can be reached from `start`, in increasing order."""
    return sorted(reachable(children, [start]) - {start})


def reachable(edges: Sequence[Sequence[int]], starts: Iterable[int]) -> set[int]:
    """The starts and everything behind them: descendants along children, ancestors along parents."""
    seen = set(starts)
    stack = list(seen)
    while stack:
        for node in edges[stack.pop()]:
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return seen
