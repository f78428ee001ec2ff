"""The workflows of the chaos tests, and a plain function that computes how they must end."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

NEVER = 1000  # attempts that fail: more than any node has


@dataclass(frozen=True, slots=True)
class Ending:
    """How a node must end. `value` and `named` are fields of its result, None if it has none."""

    status: str
    value: int | None = None
    named: Any = None


def workflow(rng: Random, name: str, *, lease: float) -> dict[str, Any]:
    """Draw a chain, a fan, layers or a wide fan, parents before children. Some nodes wait longer than a lease.

    Those of a wide fan declare that they wait, so a worker has some hundred of them in hand.
    """
    shape = rng.choice(["chain", "fan", "layers", "chain", "fan", "layers", "wide"])
    if shape == "chain":
        parents = [[number - 1] if number else [] for number in range(rng.randint(4, 12))]
    elif shape == "fan":
        width = rng.randint(4, 24)
        parents = [[], *([0] for _ in range(width)), list(range(1, width + 1))]
    elif shape == "wide":
        width = rng.randint(40, 80)
        parents = [[], *([0] for _ in range(width)), list(range(1, width + 1))]
    else:
        width = rng.randint(2, 5)
        parents = [[] for _ in range(width)]
        for layer in range(rng.randint(1, 4)):
            parents += [sorted(layer * width + place for place in rng.sample(range(width), 2)) for _ in range(width)]
    handler = "act_waiting" if shape == "wide" else "act"
    nodes = [_node(rng, number, above, handler) for number, above in enumerate(parents)]
    acting = [node for node in nodes if node["handler"] == handler]
    if acting and rng.random() < 0.6:
        rng.choice(acting)["config"]["seconds"] = round(rng.choice([0.4, 0.8, 1.6]) * lease, 2)
    if acting and rng.random() < 0.25:
        doomed = rng.choice(acting)
        doomed["config"] |= rng.choice([{"fatal": True}, {"fails": NEVER}])
    return {"name": name, "dag": {"nodes": nodes}}


def _node(rng: Random, number: int, parents: list[int], handler: str) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": f"n{number}",
        "handler": "noop" if rng.random() < 0.15 else handler,
        "dependencies": [f"n{parent}" for parent in parents],
    }
    if node["handler"] == "noop":
        return node
    config: dict[str, Any] = {"seconds": rng.choice([0.0, 0.01, 0.05, 0.1])}
    if rng.random() < 0.1:
        config["fails"] = rng.randint(1, 2)
    if parents and rng.random() < 0.2:
        config["named"] = f"{{{{ n{rng.choice(parents)} }}}}"
    # One attempt more than it needs. A lost lease is not a failure of the node, and its attempt is not among these.
    node["retry_policy"] = {"max_attempts": config.get("fails", 0) + 1, "initial_backoff_seconds": 0.2}
    node["config"] = config
    return node


def endings(definition: dict[str, Any], base: int) -> dict[str, Ending]:
    """Compute how each node ends, by its id."""
    found: dict[str, Ending] = {}
    for node in definition["dag"]["nodes"]:
        parents, config = node["dependencies"], node.get("config", {})
        if any(found[parent].status != "COMPLETED" for parent in parents):
            found[node["id"]] = Ending("SKIPPED")
        elif config.get("fatal") or config.get("fails", 0) >= NEVER:
            found[node["id"]] = Ending("FAILED")
        elif node["handler"] == "noop":
            found[node["id"]] = Ending("COMPLETED")
        else:
            named = config.get("named")
            found[node["id"]] = Ending(
                "COMPLETED",
                base + sum(found[parent].value or 0 for parent in parents),
                found[named.strip("{} ")].value if named else None,
            )
    return found
