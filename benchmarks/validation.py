"""`python -m benchmarks.validation [repeats]`: how long it takes to validate a submission.

It prints the seconds for 1,000 nodes with 5,000 edges and for 10,000 with 50,000, and the ratio of the seconds per
element (nodes and edges), which is 1 if validation is linear.
"""

from __future__ import annotations

import json
import random
import sys
import time

from chalicelib.core import definition, strictjson
from chalicelib.core.plan import Plan
from chalicelib.handlers.flow import noop

SIZES = ((1_000, 5_000), (10_000, 50_000))
MAX_BYTES = 64 * 1024 * 1024


def document(nodes: int, edges: int, *, seed: int = 1) -> bytes:
    """A random DAG. Every node with parents reads a parent's result and, if there is one, a grandparent's."""
    chance = random.Random(seed)
    parents: list[list[int]] = [[] for _ in range(nodes)]
    each = edges // nodes
    spare = edges
    for node in range(nodes - 1, 0, -1):
        wanted = min(node, each if node >= each * 2 else node, spare)
        parents[node] = sorted(chance.sample(range(node), wanted))
        spare -= wanted
    while spare:
        node = chance.randrange(1, nodes)
        parent = chance.randrange(node)
        if parent not in parents[node]:
            parents[node].append(parent)
            spare -= 1
    made = []
    for node, mine in enumerate(parents):
        config: dict[str, str] = {}
        if mine:
            config["parent"] = f"{{{{ n{mine[0]}.a.0.b }}}} of {{{{ params.x }}}}"
            if above := parents[mine[-1]]:
                config["ancestor"] = f"{{{{ n{above[0]} }}}}"
        made.append({"id": f"n{node}", "handler": "noop", "dependencies": [f"n{p}" for p in mine], "config": config})
    return json.dumps({"name": "large", "dag": {"nodes": made}}).encode()


def validate(body: bytes) -> Plan:
    """Everything that a submission does except for storing it, and the plan that a trigger needs."""
    workflow = definition.check(
        strictjson.loads(body, max_bytes=MAX_BYTES, max_depth=64), {"noop": noop}, max_nodes=10_000
    )
    return Plan.from_json(workflow.model_dump_json(exclude_defaults=True).encode())


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    per_element = []
    for nodes, edges in SIZES:
        body = document(nodes, edges)
        best = float("inf")
        for _ in range(repeats):
            started = time.perf_counter()
            validate(body)
            best = min(best, time.perf_counter() - started)
        per_element.append(best / (nodes + edges))
        print(
            f"{nodes:>6,} nodes, {edges:>6,} edges, {len(body) / 1e6:4.1f} MB: {best:.3f} s "
            f"({per_element[-1] * 1e6:.2f} us an element; best of {repeats})"
        )
    print(f"ratio per element: {per_element[1] / per_element[0]:.2f} (1 is linear)")


if __name__ == "__main__":
    main()
