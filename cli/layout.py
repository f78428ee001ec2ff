"""The layout of a DAG in layers: each node below all that it depends on, with few crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.outline import Nodes

Point = tuple[float, float]
LANE = 16.0  # the width in px of an edge that passes between nodes


@dataclass(frozen=True, slots=True)
class Layout:
    """Coordinates in px, to the right from the leftmost node's centre, and down from the first layer.

    `places` has the centre of each node; `routes` the points of each edge (parent, id), from centre to centre.
    """

    places: Mapping[str, Point]
    routes: Mapping[tuple[str, str], Sequence[Point]]


def layered(nodes: Nodes, across: float, down: float) -> Layout:
    """Lay out `nodes`, which must have no cycle. Neighbours are at least `across` px apart, layers `down` px."""
    import fast_sugiyama

    if not nodes:
        return Layout({}, {})
    ids = list(nodes)
    number = {id: place for place, id in enumerate(ids)}
    edges = [(number[parent], number[id]) for id, parents in nodes.items() for parent in parents]
    # One root above all nodes, which is not drawn: for a DAG in several parts the library repeats numbers.
    edges += [(len(ids), number[id]) for id, parents in nodes.items() if not parents]
    [(spots, _, _, links)] = fast_sugiyama.from_edges(
        edges,
        vertex_spacing=across,
        dummy_size=LANE,
        dummy_vertices=True,
        ranking_type="up",  # a node is as far up as its parents allow, like the levels of a plan
    )
    points: dict[Any, Point] = dict(spots)  # numbers above the nodes' are points of long edges
    rows: dict[float, list[float]] = {}
    for place in number.values():
        x, y = points[place]
        rows.setdefault(y, []).append(x)
    # The library counts from the bottom, and from either side: nodes that are written first go to the left.
    side = -1 if sum(row[-1] - row[0] for row in rows.values()) < 0 else 1
    left, top = min(side * x for x, _ in points.values()), max(rows)
    at = {place: (side * x - left, (top - y) / across * down) for place, (x, y) in points.items()}
    chains = _chains([link for link in links or () if link[0] != len(ids)], len(ids))
    routes = {(ids[chain[0]], ids[chain[-1]]): [at[place] for place in chain] for chain in chains}
    return Layout({id: at[place] for id, place in number.items()}, routes)


def _chains(links: Sequence[tuple[Any, Any]], size: int) -> list[list[int]]:
    """Edges from node to node, joined from links that pass through numbers from `size` on."""
    after = {start: end for start, end in links if start >= size}
    chains = [[start, end] for start, end in links if start < size]
    for chain in chains:
        while chain[-1] >= size:
            chain.append(after[chain[-1]])
    return chains
