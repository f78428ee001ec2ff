"""A workflow JSON as the adapters of the other engines read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """`n`: the number whose Fibonacci number it computes; `call`: what it asks the service for. Neither: a no-op."""

    id: str
    parents: tuple[str, ...]
    n: int | None = None
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Dag:
    """The nodes, parents before their children."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, workflow: Mapping[str, Any]) -> Dag:
        return cls(
            tuple(
                Node(node["id"], tuple(node["dependencies"]), **node.get("config", {}))
                for node in workflow["dag"]["nodes"]
            )
        )

    def levels(self) -> list[list[Node]]:
        """The nodes by level, each one level below its lowest parent."""
        depth: dict[str, int] = {}
        levels: list[list[Node]] = []
        for node in self.nodes:
            depth[node.id] = at = max((depth[parent] + 1 for parent in node.parents), default=0)
            if at == len(levels):
                levels.append([])
            levels[at].append(node)
        return levels

    def ends(self) -> list[Node]:
        """The nodes on which no other depends."""
        parents = {parent for node in self.nodes for parent in node.parents}
        return [node for node in self.nodes if node.id not in parents]
