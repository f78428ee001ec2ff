"""The OpenAPI 3.1 document, made of the pydantic models that the routes use: it cannot say what the code does not."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chalicelib import __version__, errors
from chalicelib.core.handler import Handler
from chalicelib.models import views
from chalicelib.models.forecast import Forecast, PlanRequest
from chalicelib.models.workflow import Reason, Rerun, Trigger, Workflow
from chalicelib.web import examples, openapi_instances, openapi_plans, problems
from chalicelib.web import openapi_parts as parts
from chalicelib.web.openapi_parts import Json

_INPUTS: tuple[type[BaseModel], ...] = (Workflow, PlanRequest, Trigger, Reason, Rerun, views.ProblemDetails)
_OUTPUTS: tuple[type[BaseModel], ...] = (
    views.Submitted,
    views.Triggered,
    views.StatusView,
    views.ResultsView,
    views.InstanceList,
    views.WorkflowList,
    views.WorkflowView,
    views.HistoryView,
    views.Restarted,
    Forecast,
    views.Health,
)

_DESCRIPTION = """\
Runs workflows given as JSON DAGs. Submit one, trigger it, follow its status, fetch its results.

Every error is `application/problem+json` (RFC 9457). Its `type` is one of:

{types}

A parameter that is unknown is refused, and one that is given twice unless it says otherwise. Bodies may be gzip.

In `errors[]`, a `pointer` leads into the body; `/query/...` and `/headers/...` name a parameter.

Every answer has an `X-Request-Id`: with it, whoever runs the service finds its lines in the logs.
"""


def document(
    handlers: Mapping[str, Handler], *, server: str = "", auth: Literal["none", "api_key", "iam"] = "none"
) -> Json:
    """The document. `server` is what stands before the paths (an API Gateway stage: `/dev`)."""
    kinds = [*problems.KINDS.values(), problems.INTERNAL]
    schemes = parts.SECURITY[auth]
    types = "\n".join(f"- `{kind.type}`: {kind.title} ({kind.status.value})" for kind in kinds)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dag-service",
            "version": __version__,
            "description": _DESCRIPTION.format(types=types),
        },
        "servers": [{"url": server or "/"}],
        "tags": [
            {"name": "workflows", "description": "definitions and their instances"},
            {"name": "service", "description": "the service itself"},
            {"name": "operations", "description": "for whoever runs the service"},
        ],
        "paths": _merged(_paths(), openapi_instances.paths(), openapi_plans.paths()),
        "components": {"schemas": _schemas(handlers), "headers": parts.HEADERS, "securitySchemes": schemes},
        "security": [{name: []} for name in schemes],
    }


def _merged(*all: Json) -> Json:
    """By path: what one has of it beside what another has."""
    found: Json = {}
    for paths in all:
        for path, item in paths.items():
            found[path] = found.get(path, {}) | item
    return found


def _paths() -> Json:
    bodies = parts.BODIES
    return {
        "/api/workflow": {
            "post": parts.operation(
                "submitWorkflow",
                "Validate and store a workflow",
                "Answers with every fault of the document at once. Nothing runs until the workflow is triggered.",
                parameters=[parts.KEY],
                requestBody=parts.body("Workflow", examples.WORKFLOWS, required=True),
                success=parts.success(HTTPStatus.CREATED, "Submitted", "Stored", ["Location"], parts.AFTER_SUBMIT),
                failures=[*bodies, errors.Unavailable, errors.Overloaded],
            )
        },
        "/api/workflow/trigger/{execution_id}": {
            "post": parts.operation(
                "triggerWorkflow",
                "Start an instance of a workflow",
                "A workflow can be triggered many times; each time is an instance of its own.",
                parameters=[parts.path("execution_id", "as a submission answered it"), parts.KEY],
                requestBody=parts.body("Trigger", examples.TRIGGERS, required=False),
                success=parts.success(HTTPStatus.ACCEPTED, "Triggered", "Started", ["Location"], parts.AFTER_TRIGGER),
                failures=[*bodies, errors.NotFound, errors.Unavailable, errors.NewerSchema, errors.Overloaded],
            )
        },
        "/api/workflows/{instance_id}": {
            "get": parts.operation(
                "getStatus",
                "Status of an instance",
                "By an `execution_id`: of the newest instance of that workflow, PENDING while there is none.",
                parameters=[
                    parts.path("instance_id", "an `instance_id` or an `execution_id`"),
                    parts.WAIT,
                    parts.NODES,
                ],
                success=parts.success(HTTPStatus.OK, "StatusView", "How far the instance is", (), parts.AFTER_STATUS),
                failures=[errors.NotFound, errors.InvalidDocument, errors.Unavailable, errors.NewerSchema],
            )
        },
        "/api/workflows/{instance_id}/results": {
            "get": parts.operation(
                "getResults",
                "Results of a terminal instance",
                "409 while it is running: wait with `?wait=` on its status, then ask again. Where one answer has no "
                "room for all results, the largest are in `large`, with where they are.",
                parameters=[parts.path("instance_id", "an `instance_id` or an `execution_id`"), parts.EPOCH],
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
        "/api/health": {
            "get": parts.operation(
                "getHealth",
                "Whether the store and the queue can be reached",
                "",
                tag="service",
                success={
                    **parts.success(HTTPStatus.OK, "Health", "Everything is well"),
                    **parts.success(HTTPStatus.SERVICE_UNAVAILABLE, "Health", "Something cannot be reached"),
                },
            )
        },
        "/api/metrics": {
            "get": parts.operation(
                "getMetrics",
                "Metrics, as Prometheus reads them",
                "Of every process of this machine. 404 unless the setting METRICS is `prometheus`.",
                tag="operations",
                success=parts.text("The exposition format", "text/plain", "application/openmetrics-text"),
                failures=[errors.NotFound],
            )
        },
        "/api/openapi.json": {
            "get": parts.operation(
                "getOpenApi",
                "This document",
                "",
                tag="service",
                success={"200": {"description": "OpenAPI 3.1", "content": parts.content({"type": "object"})}},
            )
        },
        "/api/docs": {
            "get": parts.operation(
                "getDocs", "Swagger UI", "", tag="service", success=parts.text("The page", "text/html")
            )
        },
        "/api/docs/{asset}": {
            "get": parts.operation(
                "getDocsAsset",
                "A file of Swagger UI",
                "",
                tag="service",
                parameters=[parts.path("asset", "its name")],
                success=parts.text("The file", "text/javascript", "text/css")
                | {"304": {"description": "The client has it already"}},
                failures=[errors.NotFound],
            )
        },
        "/api/ui": {
            "get": parts.operation(
                "getPage", "The live page", "", tag="service", success=parts.text("The page", "text/html")
            )
        },
        "/api/ui/{release}/{asset}": {
            "get": parts.operation(
                "getPageAsset",
                "A file of the live page",
                "",
                tag="service",
                parameters=[parts.path("release", "as the page names it"), parts.path("asset", "its name")],
                success=parts.text("The file", "text/javascript", "text/css", "image/svg+xml")
                | {"304": {"description": "The client has it already"}},
                failures=[errors.NotFound],
            )
        },
    }


def _schemas(handlers: Mapping[str, Handler]) -> Json:
    """Every model, those of the registered handlers' configs too."""
    Mode = Literal["validation", "serialization"]
    inputs: list[tuple[type[BaseModel], Mode]] = [(model, "validation") for model in _INPUTS]
    inputs += [(model, "validation") for model in {handler.config: None for handler in handlers.values()}]
    outputs: list[tuple[type[BaseModel], Mode]] = [(model, "serialization") for model in _OUTPUTS]
    refs, generated = models_json_schema(inputs + outputs, ref_template=parts.REF)
    schemas: Json = generated["$defs"]
    # As a dict in the model: core/definition.py finds more faults of it than pydantic does.
    schemas["PlanRequest"]["properties"]["workflow"] = parts.ref("Workflow")
    node = schemas["Node"]["properties"]
    lines = ["", "", "Templates may stand for any value. By handler:", ""]
    for name, handler in sorted(handlers.items()):
        model = refs[(handler.config, "validation")]["$ref"].rsplit("/", 1)[1]
        lines.append(f"- `{name}`: `{model}`. {handler.summary}")
    node["config"]["description"] += "\n".join(lines)
    if handlers:
        node["handler"]["enum"] = sorted(handlers)
    return schemas
