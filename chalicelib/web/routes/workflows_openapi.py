"""The part of the OpenAPI document for workflows.py."""

from __future__ import annotations

from http import HTTPStatus

from chalicelib import errors, ids
from chalicelib.web import examples
from chalicelib.web import openapi_parts as parts
from chalicelib.web.openapi_parts import Json

_WAIT = parts.wait("How many seconds to wait for the end of the instance, which is answered with its output (200).")
_AFTER_SUBMIT = {
    "trigger": parts.link("triggerWorkflow", "execution_id", "$response.body#/execution_id", "start it"),
    "status": parts.link("getStatus", "instance_id", "$response.body#/execution_id", "its newest instance"),
}


def paths() -> Json:
    return {
        "/api/workflow": {
            "post": parts.operation(
                "submitWorkflow",
                "Validate and store a workflow",
                "Answers with every fault of the document at once. Nothing runs until the workflow is triggered.",
                parameters=[parts.KEY],
                requestBody=parts.body("Workflow", examples.WORKFLOWS, required=True),
                success=parts.success(HTTPStatus.CREATED, "Submitted", "Stored", ["Location"], _AFTER_SUBMIT),
                failures=[*parts.BODIES, errors.Unavailable, errors.Overloaded],
            ),
            "get": parts.operation(
                "listWorkflows",
                "Workflows, the newest first",
                "",
                parameters=parts.page(ids.EXECUTION),
                success=parts.success(HTTPStatus.OK, "WorkflowList", "A page of them"),
                failures=[errors.InvalidDocument, errors.Unavailable],
            ),
        },
        "/api/workflow/{execution_id}": {
            "get": parts.operation(
                "getWorkflow",
                "A workflow as it was submitted",
                "",
                parameters=[parts.EXECUTION],
                success=parts.success(HTTPStatus.OK, "WorkflowView", "The workflow"),
                failures=[errors.NotFound, errors.Unavailable],
            ),
            "delete": parts.deletion(
                "deleteWorkflow",
                "a workflow; what runs of it ends as `DefinitionGone`",
                parts.EXECUTION,
            ),
        },
        "/api/workflow/trigger/{execution_id}": {
            "post": parts.operation(
                "triggerWorkflow",
                "Start an instance of a workflow",
                "A workflow can be triggered many times; each time is an instance of its own, which runs on "
                "whatever becomes of the request.",
                parameters=[parts.EXECUTION, parts.KEY, _WAIT],
                requestBody=parts.body("Trigger", examples.TRIGGERS, required=False),
                success=parts.success(HTTPStatus.OK, "Finished", "With `wait`: ended", ["Location"], parts.AFTER_START)
                | parts.success(HTTPStatus.ACCEPTED, "Triggered", "Started", ["Location"], parts.AFTER_START),
                failures=[*parts.BODIES, errors.NotFound, errors.Unavailable, errors.NewerSchema, errors.Overloaded],
            )
        },
    }
