"""A DAG as an SVG picture, laid out in layers by igraph; it needs no network and no other program."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree as xml

from cli.graph import COLOURS, States
from cli.outline import Nodes
from cli.text import clean

LETTER, LONGEST = 7.5, 24  # px of a letter; letters of a label
HEIGHT, GAP_X, GAP_Y, MARGIN = 34.0, 24.0, 44.0, 20.0
Point = tuple[float, float]

STYLE = """
text { font: 12px ui-monospace, monospace; text-anchor: middle; dominant-baseline: central; fill: #111827 }
rect { fill: #e5e7eb; stroke: #6b7280 }
path { fill: none; stroke: #6b7280 }
""" + "".join(f".{status} rect {{ fill: {fill}; stroke: {line} }}\n" for status, (fill, line) in COLOURS.items())


def svg(nodes: Nodes, states: States) -> str:
    """`nodes` must have no cycle. Every text is escaped by ElementTree."""
    width = max((len(_label(id)) for id in nodes), default=0) * LETTER + 20
    places, edges = _layout(nodes, width)
    right = max((x for x, _ in places), default=0.0) + width / 2 + MARGIN
    bottom = max((y for _, y in places), default=0.0) + HEIGHT / 2 + MARGIN
    size = {"width": f"{right:.0f}", "height": f"{bottom:.0f}", "viewBox": f"0 0 {right:.0f} {bottom:.0f}"}
    root = xml.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
    xml.SubElement(root, "style").text = STYLE
    marker = xml.SubElement(
        xml.SubElement(root, "defs"),
        "marker",
        {
            "id": "tip",
            "viewBox": "0 0 8 8",
            "refX": "8",
            "refY": "4",
            "markerWidth": "7",
            "markerHeight": "7",
            "orient": "auto",
        },
    )
    xml.SubElement(marker, "path", {"d": "M0 0 8 4 0 8z", "style": "fill: #6b7280; stroke: none"})
    for points in edges:
        xml.SubElement(root, "path", {"d": _curve(points), "marker-end": "url(#tip)"})
    for id, (x, y) in zip(nodes, places, strict=True):
        group = xml.SubElement(root, "g", {"class": states.get(id, "")})
        xml.SubElement(group, "title").text = clean(id) + (f": {states[id]}" if id in states else "")
        box = {
            "x": f"{x - width / 2:.1f}",
            "y": f"{y - HEIGHT / 2:.1f}",
            "width": f"{width:.1f}",
            "height": f"{HEIGHT:.0f}",
        }
        xml.SubElement(group, "rect", {**box, "rx": "6"})
        xml.SubElement(group, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}"}).text = _label(id)
    xml.indent(root)
    return xml.tostring(root, encoding="unicode") + "\n"


def _label(id: str) -> str:
    label = clean(id)
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def _layout(nodes: Nodes, width: float) -> tuple[list[Point], list[list[Point]]]:
    """The middle of each node, and for each edge the points that it goes through, from box to box."""
    import igraph

    number = {id: place for place, id in enumerate(nodes)}
    pairs = [(number[parent], number[id]) for id, parents in nodes.items() for parent in parents]
    graph = igraph.Graph(n=len(nodes), edges=pairs, directed=True)
    layout = graph.layout_sugiyama()
    left = min((x for x, _ in layout.coords), default=0.0)

    def spot(point: Sequence[float], down: float = 0) -> Point:
        x, y = point
        return MARGIN + width / 2 + (x - left) * (width + GAP_X), MARGIN + HEIGHT / 2 + y * (HEIGHT + GAP_Y) + down

    routes = layout.edge_routing if pairs else []
    edges = [
        [spot(layout[start], HEIGHT / 2), *map(spot, route), spot(layout[end], -HEIGHT / 2)]
        for (start, end), route in zip(pairs, routes, strict=True)
    ]
    return [spot(point) for point in layout.coords], edges


def _curve(points: Sequence[Point]) -> str:
    """Vertical where it leaves and arrives."""
    path = "M{:.1f} {:.1f}".format(*points[0])
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (y + to_y) / 2
        path += f" C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
    return path
