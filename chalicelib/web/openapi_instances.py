"""The part of the OpenAPI document that web/instances.py is: lists, history, and what is done to an instance."""

from __future__ import annotations

from http import HTTPStatus

from chalicelib import errors, ids
from chalicelib.states import InstanceStatus
from chalicelib.web import examples
from chalicelib.web import openapi_parts as parts
from chalicelib.web.instances import MOST
from chalicelib.web.openapi_parts import Json

_ID = parts.path("instance_id", "an `instance_id`, or an `execution_id` for its newest instance")
_EXECUTION = parts.path("execution_id", "as a submission answered it")
_BODIES = parts.BODIES
_ASKED = [errors.NotFound, errors.Unavailable]
_TAG = {"type": "array", "maxItems": 20, "items": {"type": "string", "pattern": "^[^:]+:.*$"}}


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _number(name: str, description: str, least: int, most: int, default: int) -> Json:
    return _query(name, description, {"type": "integer", "minimum": least, "maximum": most, "default": default})


def _page(kind: str) -> list[Json]:
    moment = {"type": "string", "format": "date-time"}
    pattern = f"^{kind}-[0-9a-f]{{28}}[0-3][0-9a-f]$"
    return [
        _query("name", "a part of the name, in any case", {"type": "string"}),
        _query("tag", "`key:value`; of several, all must fit", _TAG),
        _query("from", "created at this time or later", moment),
        _query("to", "created at this time or earlier", moment),
        _number("limit", "entries of a page", 1, MOST, 50),
        _query("cursor", "what `next` was in the page before", {"type": "string", "pattern": pattern}),
    ]


def _act(id: str, summary: str, description: str, body: Json | None = None) -> Json:
    more = {} if body is None else {"requestBody": body}
    return {
        "post": parts.operation(
            id,
            summary,
            description,
            success=parts.success(HTTPStatus.OK, "StatusView", "How the instance is now"),
            failures=[*_ASKED, errors.Conflict, *(_BODIES if more else [])],
            tag="workflows",
            parameters=[_ID],
            **more,
        )
    }


def _gone(id: str, what: str, parameter: Json, *failures: type[errors.DagServiceError]) -> Json:
    return parts.operation(
        id,
        f"Delete {what}",
        "",
        parameters=[parameter],
        success={"204": {"description": "It is gone"}},
        failures=[*_ASKED, *failures],
    )


def paths() -> Json:
    status = ",".join(InstanceStatus)
    statuses = {"type": "string", "pattern": f"^({'|'.join(InstanceStatus)})(,({'|'.join(InstanceStatus)}))*$"}
    return {
        "/api/workflow": {
            "get": parts.operation(
                "listWorkflows",
                "Workflows, the newest first",
                "",
                parameters=_page(ids.EXECUTION),
                success=parts.success(HTTPStatus.OK, "WorkflowList", "A page of them"),
                failures=[errors.InvalidDocument, errors.Unavailable],
            )
        },
        "/api/workflow/{execution_id}": {
            "get": parts.operation(
                "getWorkflow",
                "A workflow as it was submitted",
                "",
                parameters=[_EXECUTION],
                success=parts.success(HTTPStatus.OK, "WorkflowView", "The workflow"),
                failures=_ASKED,
            ),
            "delete": _gone("deleteWorkflow", "a workflow; what runs of it ends as `DefinitionGone`", _EXECUTION),
        },
        "/api/workflows": {
            "get": parts.operation(
                "listInstances",
                "Instances, the newest first, and how many there are of each status",
                "A filter that fits few may give a short page, or an empty one, with a `next`.",
                parameters=[
                    _query("status", f"one or more of {status}, separated by commas", statuses),
                    _query("execution_id", "of this workflow alone", {"type": "string"}),
                    *_page(ids.INSTANCE),
                ],
                success=parts.success(HTTPStatus.OK, "InstanceList", "A page of them"),
                failures=[errors.InvalidDocument, errors.Unavailable],
            )
        },
        "/api/workflows/{instance_id}": {
            "delete": _gone("deleteInstance", "a terminal instance", _ID, errors.Conflict)
        },
        "/api/workflows/{instance_id}/results/{node}": {
            "get": parts.operation(
                "getResult",
                "The result of one node",
                "As JSON, whatever it is. To one that no answer has room for the answer leads, for 15 minutes.",
                parameters=[_ID, parts.path("node", "its id"), parts.EPOCH],
                success={
                    "200": {
                        "description": "The result alone; where it is, if `text/uri-list` is accepted",
                        "content": parts.content({}) | {"text/uri-list": {"schema": {"type": "string"}}},
                    },
                    "303": {
                        "description": "Where the result is",
                        "headers": {"Location": {"$ref": "#/components/headers/Location"}},
                    },
                },
                failures=[
                    *_ASKED,
                    errors.StillRunning,
                    errors.InvalidDocument,
                    errors.ValuesUnavailable,
                    errors.ValueLost,
                ],
            )
        },
        "/api/workflows/{instance_id}/history": {
            "get": parts.operation(
                "getHistory",
                "What happened to an instance, and why a node is where it is",
                "",
                parameters=[
                    _ID,
                    _query("node", "of one node, and why it is where it is", {"type": "string"}),
                    _number("limit", "events of a page", 1, MOST, 100),
                    _number("cursor", "what `next` was in the page before", 0, 999_999_999, 0),
                ],
                success=parts.success(HTTPStatus.OK, "HistoryView", "A page of events"),
                failures=[*_ASKED, errors.InvalidDocument],
            )
        },
        "/api/workflows/{instance_id}/cancel": _act(
            "cancelInstance",
            "End an instance now",
            "No further node starts, running handlers see it in their context, a result after it is refused.",
            parts.body("Reason", examples.REASONS, required=False),
        ),
        "/api/workflows/{instance_id}/pause": _act(
            "pauseInstance", "Start no further node", "What runs goes on, and its results are kept."
        ),
        "/api/workflows/{instance_id}/resume": _act("resumeInstance", "Go on with a paused instance", ""),
        "/api/workflows/{instance_id}/rerun": {
            "post": parts.operation(
                "rerunInstance",
                "Run a terminal instance again, in its next epoch",
                "Without a body: what did not complete. The results of all other nodes are used again; those that are "
                "replaced stay, under `?epoch=` of the results.",
                parameters=[_ID, parts.KEY],
                requestBody=parts.body("Rerun", examples.RERUNS, required=False),
                success=parts.success(HTTPStatus.ACCEPTED, "Restarted", "Begun", ["Location"], parts.AFTER_TRIGGER),
                failures=[*_BODIES, *_ASKED, errors.Conflict],
            )
        },
    }
