"""Which parameters the query of each address takes. Any other is refused, as a field of a body would be.

A filter whose name is misspelt, or whose value is a variable that was not set, would list everything, and a script that
deletes what a list has would delete it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping

from chalice.app import Request, Response

from chalicelib.errors import InvalidDocument, Problem
from chalicelib.web import problems

_LIST = ("name", "tag", "from", "to", "limit", "cursor")
# Of GET: no other method takes any. A test compares them with the OpenAPI document.
TAKEN: dict[str, tuple[str, ...]] = {
    "/api/workflow": _LIST,
    "/api/workflow/{execution_id}/plan": ("instance_id", "workers"),
    "/api/workflows": ("status", "execution_id", *_LIST),
    "/api/workflows/{instance_id}": ("wait", "nodes"),
    "/api/workflows/{instance_id}/results": ("epoch",),
    "/api/workflows/{instance_id}/results/{node}": ("epoch",),
    "/api/workflows/{instance_id}/history": ("node", "limit", "cursor"),
}
REPEATED = ("tag",)
MAY_BE_EMPTY = ("name",)  # a part of every name
MOST = 100  # faults in an answer

Routes = Mapping[str, Collection[str]]


def faults(query: Mapping[str, Collection[str]], taken: Collection[str]) -> list[Problem]:
    """What is wrong with the names in a query: unknown, there too often, without a value."""
    found = []
    for name, values in query.items():
        shown = name[:60]
        if name not in taken:
            found.append(Problem(f"/query/{shown}", f"there is no parameter `{shown}` here: {_hint(name, taken)}"))
        elif len(values) > 1 and name not in REPEATED:
            found.append(Problem(f"/query/{shown}", f"`{shown}` is given {len(values)} times: give it once"))
        elif "" in values and name not in MAY_BE_EMPTY:
            found.append(Problem(f"/query/{shown}", f"`{shown}` is empty: give it a value, or leave it out"))
    return found[:MOST]


def _hint(name: str, taken: Collection[str]) -> str:
    close = difflib.get_close_matches(name[:60], taken, 1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"use {', '.join(f'`{one}`' for one in taken)}" if taken else "leave it out"


def middleware(routes: Callable[[], Routes]) -> Callable[[Request, Callable[[Request], Response]], Response]:
    """A middleware of chalice for HTTP. `routes` are the methods by path: what is no route gets its 405."""

    def handle(request: Request, get_response: Callable[[Request], Response]) -> Response:
        if request.query_params and request.method in routes()[request.path]:
            query = {name: request.query_params.getlist(name) for name in request.query_params}
            taken = TAKEN.get(request.path, ()) if request.method == "GET" else ()
            if found := faults(query, taken):
                return problems.of_error(InvalidDocument(found))
        return get_response(request)

    return handle
