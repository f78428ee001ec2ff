"""The drawing of a DAG as SVG, made without a network or another program."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree as xml

from cli.graph import COLOURS, States
from cli.layout import Point, layered
from cli.outline import Nodes
from cli.text import clean

LETTER, LONGEST = 7.5, 24  # the width of a letter in px; the most letters of a label
HEIGHT, GAP_X, GAP_Y, MARGIN = 34.0, 24.0, 44.0, 20.0

STYLE = """
text { font: 12px ui-monospace, monospace; text-anchor: middle; dominant-baseline: central; fill: #111827 }
rect { fill: #e5e7eb; stroke: #6b7280 }
path { fill: none; stroke: #6b7280 }
""" + "".join(f".{status} rect {{ fill: {fill}; stroke: {line} }}\n" for status, (fill, line) in COLOURS.items())


def svg(nodes: Nodes, states: States) -> str:
    """`nodes` must have no cycle. Every text is escaped by ElementTree."""
    width = max((len(_label(id)) for id in nodes), default=0) * LETTER + 20
    layout = layered(nodes, width + GAP_X, HEIGHT + GAP_Y)
    points = [*layout.places.values(), *(point for route in layout.routes.values() for point in route)]
    left, top = width / 2 + MARGIN, HEIGHT / 2 + MARGIN  # where the centre of the first node is
    right = max((x for x, _ in points), default=0.0) + 2 * left
    bottom = max((y for _, y in points), default=0.0) + 2 * top
    size = {
        "width": f"{right:.0f}",
        "height": f"{bottom:.0f}",
        "viewBox": f"{-left:.1f} {-top:.1f} {right:.0f} {bottom:.0f}",
    }
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
    for route in layout.routes.values():
        xml.SubElement(root, "path", {"d": _curve(route), "marker-end": "url(#tip)"})
    for id in nodes:
        x, y = layout.places[id]
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


def _curve(route: Sequence[Point]) -> str:
    """A line from box to box that passes the boxes of the layers in between vertically."""
    path = "M{:.1f} {:.1f}".format(*route[0])
    for (x, y), (to_x, to_y) in pairwise(route):
        start, end = y + HEIGHT / 2, to_y - HEIGHT / 2
        middle = (start + end) / 2
        path += f" V{start:.1f} C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {end:.1f}"
    return path
