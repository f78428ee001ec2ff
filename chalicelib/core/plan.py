"""A stored definition, made ready to run: nodes by index, and which of them wait for which."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from chalicelib import node_ids
from chalicelib.core import graph, templates
from chalicelib.core.calls import Terms
from chalicelib.core.retry import Retry

# One Lua call deals with at most this many children or descendants: that takes some 2 ms.
SLICE = 500


@dataclass(slots=True)
class PlanNode:
    """One node. `dependencies` are indices."""

    id: str
    handler: str
    dependencies: tuple[int, ...]
    config: dict[str, Any]
    retry: Retry
    timeout_seconds: float | None
    ignored: bool = False  # its failure does not stop its children
    _references: tuple[str, ...] | None = field(default=None, repr=False)
    _secrets: tuple[str, ...] | None = field(default=None, repr=False)
    _extent: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def references(self) -> tuple[str, ...]:
        """The roots that its config's templates name: node ids, `params`, `secrets`."""
        if self._references is None:
            self._references = tuple({reference.root for _, reference in templates.find(self.config)})
        return self._references

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets that its config's templates ask for."""
        if self._secrets is None:
            found = {reference.path[0] for _, reference in templates.find(self.config) if reference.root == "secrets"}
            self._secrets = tuple(sorted(found))
        return self._secrets

    @property
    def extent(self) -> tuple[int, int]:
        """The length of its config as JSON, and the number of templates in it: so its config can get that large."""
        if self._extent is None:
            text = json.dumps(self.config)
            self._extent = len(text), text.count("{{")
        return self._extent


class Plan:
    """An immutable workflow. Made from the stored document, which was checked when it was submitted."""

    def __init__(
        self,
        name: str,
        nodes: list[PlanNode],
        index: dict[str, int],
        *,
        tags: Mapping[str, str] | None = None,
        fail_fast: bool = False,
        timeout_seconds: float | None = None,
        webhook: Mapping[str, str] | None = None,
        schema: int = 1,
    ) -> None:
        self.name = name
        self.nodes = nodes
        self.index = index
        self.webhook = webhook
        self.terms = Terms(
            name=name,
            tags=tags or {},
            fail_fast=fail_fast,
            ignores=tuple(number for number, node in enumerate(nodes) if node.ignored),
            # A short limit must not be rounded to none.
            timeout_ms=None if timeout_seconds is None else max(1, round(timeout_seconds * 1000)),
            webhook=webhook is not None,
            schema=schema,
        )

    @classmethod
    def from_json(cls, document: bytes) -> Plan:
        data = json.loads(document)
        raw, defaults = data["dag"]["nodes"], data.get("defaults") or {}
        index = {node["id"]: number for number, node in enumerate(raw)}
        nodes = [
            PlanNode(
                node["id"],
                node["handler"],
                tuple(index[parent] for parent in node.get("dependencies", ())),
                node.get("config", {}),
                Retry(**_first(node.get("retry_policy"), defaults.get("retry_policy"), {})),
                node.get("timeout_seconds") or defaults.get("timeout_seconds"),
                (node.get("on_failure") or defaults.get("on_failure")) == "ignore",
            )
            for node in raw
        ]
        return cls(
            data["name"],
            nodes,
            index,
            tags=data.get("tags"),
            fail_fast=data.get("failure_policy") == "fail_fast",
            timeout_seconds=data.get("timeout_seconds"),
            webhook=data.get("webhook"),
            schema=_schema(document, nodes),
        )

    @cached_property
    def children(self) -> list[list[int]]:
        children: list[list[int]] = [[] for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            for parent in node.dependencies:
                children[parent].append(number)
        return children

    @cached_property
    def roots(self) -> list[int]:
        return [number for number, node in enumerate(self.nodes) if not node.dependencies]

    @cached_property
    def leaves(self) -> list[int]:
        """The nodes that no other node depends on."""
        return [number for number, children in enumerate(self.children) if not children]

    def unblocks(self, node: int, start: int = 0) -> tuple[list[int], int]:
        """The slice of a node's children from `start`: child, number of its parents, ...; and the next cursor or -1.

        The trigger is the parent of the roots, as node -1.
        """
        children = self.roots if node == -1 else self.children[node]
        items: list[int] = []
        for child in children[start : start + SLICE]:
            items += (child, max(1, len(self.nodes[child].dependencies)))
        return items, _cursor(start, len(children))

    def may_lack(self, node: int) -> list[int]:
        """The nodes whose results this one reads although they may have failed: their failure is ignored."""
        if not self.terms.ignores:
            return []
        spec = self.nodes[node]
        read = {*spec.dependencies, *(self.index[root] for root in spec.references if root in self.index)}
        return [number for number in read if self.nodes[number].ignored]

    def behind(self, node: int, start: int = 0, *, failed: bool) -> tuple[list[int], int]:
        """The slice of the nodes to settle behind a finished one: its children, or its descendants if it stops them."""
        return self.skips(node, start) if failed and not self.nodes[node].ignored else self.unblocks(node, start)

    def skips(self, node: int, start: int = 0) -> tuple[list[int], int]:
        """The slice of a node's descendants from `start`, and the next cursor or -1."""
        descendants = graph.descendants(self.children, node)
        return list(descendants[start : start + SLICE]), _cursor(start, len(descendants))


def _schema(document: bytes, nodes: list[PlanNode]) -> int:
    """The oldest code that may touch its instances: before schema 3, ids were plain and no template quoted them."""
    if not all(node_ids.is_plain(node.id) for node in nodes):
        return 3
    quoted = b'[\\"' in document and any(  # hardly any document holds this: configs are seldom searched
        '["' in reference.text for node in nodes for _, reference in templates.find(node.config)
    )
    return 3 if quoted else 1


def _first(*given: Any) -> Any:
    """The first that is set. An empty policy counts: what has its default value is left out of a stored document."""
    return next(one for one in given if one is not None)


def _cursor(start: int, length: int) -> int:
    return start + SLICE if start + SLICE < length else -1
