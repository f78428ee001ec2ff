"""Refuses query parameters that a path does not take, as it would unknown fields of a body.

A filter with a misspelt name, or with an unset variable as its value, would otherwise list everything, and a script
that deletes what is listed would delete everything.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping

from chalice.app import Request, Response

from chalicelib.errors import InvalidDocument, Problem
from chalicelib.web import problems

_LIST = ("name", "tag", "from", "to", "limit", "cursor")
# By method and path; no other takes any. A test compares them with the OpenAPI document.
TAKEN: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/api/workflow"): _LIST,
    ("POST", "/api/workflow/trigger/{execution_id}"): ("wait",),
    ("GET", "/api/workflow/{execution_id}/plan"): ("instance_id", "workers"),
    ("GET", "/api/workflows"): ("status", "execution_id", *_LIST),
    ("GET", "/api/workflows/{instance_id}"): ("wait", "nodes"),
    ("GET", "/api/workflows/{instance_id}/results"): ("epoch",),
    ("GET", "/api/workflows/{instance_id}/results/{node}"): ("epoch",),
    ("GET", "/api/workflows/{instance_id}/history"): ("node", "limit", "cursor"),
}
REPEATED = ("tag",)
MAY_BE_EMPTY = ("name",)  # which every name contains
MOST = 100  # faults in one answer

Routes = Mapping[str, Collection[str]]


def faults(query: Mapping[str, Collection[str]], taken: Collection[str]) -> list[Problem]:
    """The faults of a query: parameters that are unknown, repeated or empty."""
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
    """A middleware of chalice for HTTP. `routes` are the methods by path: a method that is not there gets its 405."""

    def handle(request: Request, get_response: Callable[[Request], Response]) -> Response:
        if request.query_params and request.method in routes()[request.path]:
            query = {name: request.query_params.getlist(name) for name in request.query_params}
            if found := faults(query, TAKEN.get((request.method, request.path), ())):
                return problems.of_error(InvalidDocument(found))
        return get_response(request)

    return handle
