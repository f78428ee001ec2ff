"""The part of the OpenAPI document for instances.py."""

from __future__ import annotations

from http import HTTPStatus

from chalicelib import errors, ids
from chalicelib.states import InstanceStatus
from chalicelib.web import examples, requests
from chalicelib.web import openapi_parts as parts
from chalicelib.web.openapi_parts import Json

_ID = parts.path("instance_id", "an `instance_id`, or an `execution_id` for its newest instance")
_EITHER = parts.path("instance_id", "an `instance_id` or an `execution_id`")
_ASKED = [errors.NotFound, errors.Unavailable]
_EPOCH = parts.query(
    "epoch",
    "As they were in an earlier run of the instance; 0, as without it: in its newest one.",
    {"type": "integer", "minimum": 0, "maximum": 999_999, "default": 0},
)
_WAIT = parts.wait("Answer only once the instance is terminal, or after so many seconds.")
_NODES = parts.query(
    "nodes",
    "`false` leaves the nodes out: the same time whatever the size of the workflow.",
    {"type": "boolean", "default": True},
)
_AFTER_STATUS = {"results": parts.link("getResults", "instance_id", "$request.path.instance_id", "what it yielded")}


def _act(id: str, summary: str, description: str, body: Json | None = None) -> Json:
    more = {} if body is None else {"requestBody": body}
    return {
        "post": parts.operation(
            id,
            summary,
            description,
            success=parts.success(HTTPStatus.OK, "StatusView", "How the instance is now"),
            failures=[*_ASKED, errors.Conflict, *(parts.BODIES if more else [])],
            tag="workflows",
            parameters=[_ID],
            **more,
        )
    }


def paths() -> Json:
    status = ",".join(InstanceStatus)
    statuses = {"type": "string", "pattern": f"^({'|'.join(InstanceStatus)})(,({'|'.join(InstanceStatus)}))*$"}
    return {
        "/api/workflows": {
            "get": parts.operation(
                "listInstances",
                "Instances, the newest first, and how many there are of each status",
                "A filter that fits few may give a short page, or an empty one, with a `next`.",
                parameters=[
                    parts.query("status", f"one or more of {status}, separated by commas", statuses),
                    parts.query("execution_id", "of this workflow alone", {"type": "string"}),
                    *parts.page(ids.INSTANCE),
                ],
                success=parts.success(HTTPStatus.OK, "InstanceList", "A page of them"),
                failures=[errors.InvalidDocument, errors.Unavailable],
            )
        },
        "/api/workflows/{instance_id}": {
            "get": parts.operation(
                "getStatus",
                "Status of an instance",
                "By an `execution_id`: of the newest instance of that workflow, PENDING while there is none.",
                parameters=[_EITHER, _WAIT, _NODES],
                success=parts.success(HTTPStatus.OK, "StatusView", "How far the instance is", (), _AFTER_STATUS),
                failures=[errors.NotFound, errors.InvalidDocument, errors.Unavailable, errors.NewerSchema],
            ),
            "delete": parts.deletion("deleteInstance", "a terminal instance", _ID, errors.Conflict),
        },
        "/api/workflows/{instance_id}/results": {
            "get": parts.operation(
                "getResults",
                "Results of a terminal instance",
                "409 while it is running: wait with `?wait=` on its status, then ask again. Where one answer has no "
                "room for all results, the largest are in `large`, with where they are.",
                parameters=[_EITHER, _EPOCH],
                success=parts.success(HTTPStatus.OK, "ResultsView", "What the nodes yielded"),
                failures=[
                    errors.NotFound,
                    errors.StillRunning,
                    errors.InvalidDocument,
                    errors.Unavailable,
                    errors.ValuesUnavailable,
                    errors.NewerSchema,
                ],
            )
        },
        "/api/workflows/{instance_id}/results/{node}": {
            "get": parts.operation(
                "getResult",
                "The result of one node",
                "As JSON, whatever it is. To one that no answer has room for the answer leads, for 15 minutes.",
                parameters=[_ID, parts.path("node", "its id"), _EPOCH],
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
                    parts.query("node", "of one node, and why it is where it is", {"type": "string"}),
                    parts.number("limit", "events of a page", 1, requests.LIMIT_MAX, 100),
                    parts.number("cursor", "what `next` was in the page before", 0, 999_999_999, 0),
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
                success=parts.success(HTTPStatus.ACCEPTED, "Restarted", "Begun", ["Location"], parts.AFTER_START),
                failures=[*parts.BODIES, *_ASKED, errors.Conflict],
            )
        },
    }
