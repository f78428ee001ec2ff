"""Finds everything that is wrong with a submission at once: shapes, graph, templates, configs of handlers."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib import node_ids
from chalicelib.core import graph, templates
from chalicelib.core.handler import Handler
from chalicelib.core.sentences import sentence, short, wrong_type
from chalicelib.core.strictjson import pointer
from chalicelib.errors import InvalidDocument, Problem
from chalicelib.models.workflow import Workflow

# Roots of templates that are not nodes.
RESERVED = ("params", "secrets")
MAX_PROBLEMS = 100
# Looking for the nearest of 10,000 names takes a while: only the first few problems get one.
_MAX_SUGGESTIONS = 5
# The search ends after this many faults: a body of 5 MB has room for a million, at half a kilobyte each.
_MAX_FOUND = 1000
_MAX_FIELDS = 20
# Every field of 10,000 nodes may be wrong.
_MAX_FAULTS = 100_000

Place = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


def check(document: Any, handlers: Mapping[str, Handler], *, max_nodes: int) -> Workflow:
    """Return the workflow. Raises InvalidDocument with all its faults (the first 100, and how many more there are)."""
    nodes = document.get("dag", {}).get("nodes") if _nested(document) else None
    if isinstance(nodes, list) and len(nodes) > max_nodes:
        detail = f"{len(nodes):,} nodes; at most {max_nodes:,} are taken (MAX_NODES): split the workflow"
        raise InvalidDocument([Problem(pointer("dag", "nodes"), detail)])
    if swollen := list(itertools.islice(_swollen(document, nodes), MAX_PROBLEMS)):
        raise InvalidDocument(swollen)
    workflow: Workflow | None = None
    problems: list[Problem] = []
    try:
        workflow = Workflow.model_validate(document)
    except ValidationError as error:
        problems += problems_of(error)
    if isinstance(nodes, list):
        problems += itertools.islice(_Checker(nodes, handlers).problems(), _MAX_FOUND)
    if workflow is None or problems:
        raise InvalidDocument(_bounded(problems))
    return workflow


def problems_of(error: ValidationError, *, at: Place = (), known: Iterable[str] | None = None) -> list[Problem]:
    """A pydantic error as problems, each a sentence with its remedy."""
    if error.error_count() > _MAX_FAULTS:
        return [_too_many(error, at)]
    return [
        Problem(pointer(*at, *(part for part in fault["loc"] if part != "[key]")), sentence(fault, known))
        for fault in error.errors(include_url=False, include_context=True)[:_MAX_FOUND]
    ]


def check_body(document: Any, model: type[M]) -> M:
    """Return the body of a request that is not a submission. Raises InvalidDocument."""
    if isinstance(document, dict) and len(document) > _MAX_FIELDS:
        raise InvalidDocument([_too_wide((), document)])
    known = [field.alias or name for name, field in model.model_fields.items()]
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidDocument(_bounded(problems_of(error, known=known))) from None


def _nested(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("dag"), dict)


def _swollen(document: Any, nodes: Any) -> Iterator[Problem]:
    """Objects with dozens of fields where a model has six: each field would be a fault of its own."""
    places: list[tuple[Place, Any]] = [((), document)]
    if _nested(document):
        places.append((("dag",), document["dag"]))
    for number, node in enumerate(nodes if isinstance(nodes, list) else []):
        places.append((("dag", "nodes", number), node))
        if isinstance(node, dict):
            places.append((("dag", "nodes", number, "retry_policy"), node.get("retry_policy")))
    for place, item in places:
        if isinstance(item, dict) and len(item) > _MAX_FIELDS:
            yield _too_wide(place, item)


def _too_wide(place: Place, item: dict[str, Any]) -> Problem:
    return Problem(pointer(*place), f"has {len(item):,} fields, most of which mean nothing here: remove them")


def _too_many(error: ValidationError, at: Place) -> Problem:
    return Problem(pointer(*at), f"has {error.error_count():,} faults, too many to list: see its model in /api/docs")


def _bounded(problems: list[Problem]) -> list[Problem]:
    unique = list(dict.fromkeys(problems))
    if len(unique) <= MAX_PROBLEMS:
        return unique
    more = f"{len(unique) - MAX_PROBLEMS:,}{' or more' if len(problems) >= _MAX_FOUND else ''}"
    return [*unique[:MAX_PROBLEMS], Problem("", f"and {more} more problems")]


class _Checker:
    """Checks the graph, the templates and the configs, as far as these are well-formed enough to be checked."""

    def __init__(self, nodes: list[Any], handlers: Mapping[str, Handler]) -> None:
        self._nodes: list[dict[str, Any]] = [node if isinstance(node, dict) else {} for node in nodes]
        self._handlers = handlers
        self._suggestions = 0
        self._index: dict[str, int] = {}
        for number, node in enumerate(self._nodes):
            if isinstance(node.get("id"), str):
                self._index.setdefault(node["id"], number)

    def problems(self) -> Iterator[Problem]:
        yield from self._ids()
        parents: list[list[int]] = []
        for number in range(len(self._nodes)):
            mine, faults = self._parents(number)
            parents.append(mine)
            yield from faults
        order = graph.topological_order(parents)
        if len(order) < len(parents):
            yield from self._cycles(parents)
        yield from self._handler_faults()
        yield from self._template_faults(parents, order)

    def _ids(self) -> Iterator[Problem]:
        for number, node in enumerate(self._nodes):
            id = node.get("id")
            if not isinstance(id, str):
                continue
            place = pointer("dag", "nodes", number, "id")
            if self._index[id] != number:
                first = self._index[id]
                yield Problem(place, f"`{short(id)}` is already the id of /dag/nodes/{first}: rename one of them")
            if id in RESERVED:
                yield Problem(place, f"`{id}` is reserved: templates read it as something else. Rename the node")

    def _parents(self, number: int) -> tuple[list[int], list[Problem]]:
        listed = self._nodes[number].get("dependencies", [])
        mine: list[int] = []
        faults: list[Problem] = []
        seen: set[str] = set()
        for position, name in enumerate(listed if isinstance(listed, list) else []):
            if detail := self._dependency_fault(number, name, seen):
                faults.append(Problem(pointer("dag", "nodes", number, "dependencies", position), detail))
                if len(faults) >= _MAX_FOUND:
                    break
            else:
                mine.append(self._index[name])
            if isinstance(name, str):
                seen.add(name)
        return mine, faults

    def _dependency_fault(self, number: int, name: Any, seen: set[str]) -> str | None:
        if not isinstance(name, str):
            return wrong_type("string_type", name)
        if name in seen:
            return f"`{short(name)}` is listed twice: remove one"
        if name == self._nodes[number].get("id"):
            return f"`{short(name)}` depends on itself: remove it from its dependencies"
        if name not in self._index:
            return f"there is no node `{short(name)}`{self._nearest(name, self._index)}"
        return None

    def _cycles(self, parents: list[list[int]]) -> Iterator[Problem]:
        for cycle in graph.cycles(parents):
            first, last = cycle[0], cycle[-1]
            names = [short(self._nodes[node]["id"]) for node in [*cycle[:20], first]]
            if len(cycle) > 20:
                names.insert(20, f"... {len(cycle) - 20} more ...")
            listed = self._nodes[first]["dependencies"].index(self._nodes[last]["id"])
            yield Problem(
                pointer("dag", "nodes", first, "dependencies", listed),
                f"this closes a cycle: {' -> '.join(names)}. Remove one of these dependencies",
            )

    def _handler_faults(self) -> Iterator[Problem]:
        for number, node in enumerate(self._nodes):
            name = node.get("handler")
            if not isinstance(name, str) or not name:
                continue
            handler = self._handlers.get(name)
            if handler is None:
                hint = self._nearest(name, self._handlers) or f". Known: {', '.join(sorted(self._handlers))}"
                yield Problem(pointer("dag", "nodes", number, "handler"), f"there is no handler `{short(name)}`{hint}")
            elif isinstance(config := node.get("config", {}), dict):
                yield from _config_faults(handler, config, ("dag", "nodes", number, "config"))

    def _template_faults(self, parents: list[list[int]], order: list[int]) -> Iterator[Problem]:
        named: dict[tuple[int, int], list[tuple[str, templates.Reference]]] = {}
        for number, node in enumerate(self._nodes):
            config = node.get("config")
            if not isinstance(config, dict):
                continue
            base = pointer("dag", "nodes", number, "config")
            for problem in templates.problems(config):
                yield Problem(base + problem.pointer, problem.detail)
            for place, reference in templates.find(config):
                where = base + pointer(*place)
                if reference.root == "secrets" and not _is_secret(reference.path):
                    yield Problem(
                        where,
                        f"`{short(reference.text)}`: a secret is one name of letters, digits, `_` and `-`, "
                        "as in `{{ secrets.KEY }}`",
                    )
                elif reference.root in RESERVED:
                    continue
                elif reference.root not in self._index:
                    hint = self._quoted(reference) or self._nearest(reference.root, self._index)
                    yield Problem(where, f"`{short(reference.text)}`: there is no node `{short(reference.root)}`{hint}")
                else:
                    same = named.setdefault((number, self._index[reference.root]), [])
                    if len(same) < MAX_PROBLEMS:
                        same.append((where, reference))
        for pair in sorted(graph.not_ancestors(parents, order, named)) if named else ():
            for where, reference in named[pair]:
                yield Problem(
                    where,
                    f"`{short(reference.text)}` refers to `{short(reference.root)}`, which does not come before this "
                    "node: add it to the dependencies, of this node or of one before it",
                )

    def _quoted(self, reference: templates.Reference) -> str:
        """The hint for a path whose dots belong to an id: `{{ a.b.c }}` for a node `a.b`."""
        name = reference.root
        for number, segment in enumerate(reference.path):
            name += f".{segment}"
            if len(name) > node_ids.MOST:
                break
            if name in self._index:
                rest = "".join(f".{one}" for one in reference.path[number + 1 :])
                quoted = json.dumps(name, ensure_ascii=False)
                return f": write `{{{{ [{quoted}]{short(rest)} }}}}` for the node `{name}`"
        return ""

    def _nearest(self, name: str, known: Iterable[str]) -> str:
        self._suggestions += 1
        if self._suggestions > _MAX_SUGGESTIONS or len(name) > node_ids.MOST:
            return ""
        close = difflib.get_close_matches(name, list(known)[:10_000], n=1)
        return f": did you mean `{close[0]}`?" if close else ""


def _is_secret(path: tuple[str, ...]) -> bool:
    """Whether the path is one name that cannot lead out of the secrets' prefix, wherever secrets are kept."""
    name = path[0].replace("-", "_") if len(path) == 1 else ""
    return 0 < len(name) <= 128 and name.isascii() and name.replace("_", "a").isalnum()


def _config_faults(handler: Handler, config: dict[str, Any], at: Place) -> Iterator[Problem]:
    """The faults that the handler's model finds in the config, except where a template decides at run time."""
    if len(config) > 10 * _MAX_FIELDS and handler.config.model_config.get("extra") == "forbid":
        yield Problem(pointer(*at), f"has {len(config):,} fields, most of which handler `{handler.name}` does not know")
        return
    try:
        handler.config.model_validate(config)
    except ValidationError as error:
        if error.error_count() > _MAX_FOUND:
            yield _too_many(error, at)
            return
        for fault in error.errors(include_url=False, include_context=True):
            place, value = _raw(config, fault["loc"])
            if _templated(value) or any(isinstance(part, str) and templates.has_template(part) for part in place):
                continue
            if fault["type"] == "missing" and _templated_keys(value):
                continue
            where = (*place, *fault["loc"][-1:]) if fault["type"] == "missing" else place
            detail = sentence(fault, known=handler.config.model_fields)
            yield Problem(pointer(*at, *where), f"{detail} (handler `{handler.name}`)")


def _raw(config: Any, loc: tuple[str | int, ...]) -> tuple[Place, Any]:
    """Follow pydantic's location as far as the raw value goes: unions and aliases add parts that are not keys."""
    place: list[str | int] = []
    value = config
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        place.append(part)
    return tuple(place), value


def _templated(value: Any) -> bool:
    if isinstance(value, str):
        return templates.has_template(value)
    # A fault of a whole object may come from any templated value in it; its other values have faults of their own.
    return isinstance(value, (dict, list)) and next(templates.find(value), None) is not None


def _templated_keys(value: Any) -> bool:
    return isinstance(value, dict) and any(templates.has_template(key) for key in value)
