"""The plot of the ratios: a row for each measure, a mark for each peer, dag-service at 1. Plain SVG, no library."""

from __future__ import annotations

import math
from html import escape

from benchmarks import catalogue
from benchmarks.catalogue import OURS
from benchmarks.results import Results

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a")
LEFT, RIGHT, TOP, BAND, STEP = 300, 40, 70, 16, 11
WIDTH = 1000


def svg(results: Results) -> str:
    """The x axis is how many times better dag-service was, logarithmic; a bar spans the rounds."""
    peers = [engine for engine in catalogue.ALL if engine.name != OURS]
    peers = [peer for peer in peers if any(run.engine == peer.name for run in results.runs)]
    measures = results.measures()
    found = [[results.ratio(peer.name, *measure) for peer in peers] for measure in measures]
    every = [edge for row in found for ratio in row if ratio for edge in (ratio.least, ratio.most)]
    low, high = math.floor(math.log10(min([*every, 0.5]))), math.ceil(math.log10(max([*every, 2.0])))
    height_of = BAND + STEP * len(peers)
    height = TOP + height_of * len(measures) + 40

    def x(ratio: float) -> float:
        return LEFT + (math.log10(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="22" font-size="16">How many times better dag-service is (left of 1: the peer is)</text>',
    ]
    for at, peer in enumerate(peers):
        left = 10 + at * 135
        parts.append(f'<circle cx="{left + 5}" cy="42" r="4.5" fill="{COLOURS[at]}"/>')
        parts.append(f'<text x="{left + 15}" y="46">{escape(peer.title)}</text>')
    for power in range(low, high + 1):
        place, one = x(10**power), power == 0
        parts.append(
            f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 8}" y2="{height - 30}" '
            f'stroke="{"#000" if one else "#ddd"}"/>'
        )
        parts.append(f'<text x="{place:.1f}" y="{height - 12}" text-anchor="middle">{10**power:g}</text>')
    for row, (workload, unit) in enumerate(measures):
        top = TOP + row * height_of
        label = f"{results.workloads[workload]}, {unit}"
        parts.append(f'<text x="{LEFT - 10}" y="{top + height_of / 2:.1f}" text-anchor="end">{escape(label)}</text>')
        parts.append(
            f'<line x1="10" x2="{WIDTH - 10}" y1="{top + height_of - 6}" y2="{top + height_of - 6}" stroke="#eee"/>'
        )
        for at, ratio in enumerate(found[row]):
            if ratio is None:
                continue
            y = top + 4 + at * STEP
            parts.append(
                f'<line x1="{x(ratio.least):.1f}" x2="{x(ratio.most):.1f}" y1="{y}" y2="{y}" '
                f'stroke="{COLOURS[at]}" stroke-width="2"/>'
            )
            parts.append(f'<circle cx="{x(ratio.median):.1f}" cy="{y}" r="4" fill="{COLOURS[at]}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
