"""The OpenAPI 3.1 document. It is made of the pydantic models of the routes, so it cannot differ from the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chalicelib import __version__
from chalicelib.core.handler import Handler
from chalicelib.models import views
from chalicelib.models.forecast import Forecast, PlanRequest
from chalicelib.models.workflow import Reason, Rerun, Trigger, Workflow
from chalicelib.web import openapi_parts as parts
from chalicelib.web import problems
from chalicelib.web.access import ApiAuth
from chalicelib.web.openapi_parts import Json
from chalicelib.web.routes import (
    forecasts_openapi,
    instances_openapi,
    pages_openapi,
    service_openapi,
    workflows_openapi,
)

_INPUTS: tuple[type[BaseModel], ...] = (Workflow, PlanRequest, Trigger, Reason, Rerun, views.ProblemDetails)
_OUTPUTS: tuple[type[BaseModel], ...] = (
    views.Submitted,
    views.Triggered,
    views.Finished,
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

# The paths that a first reader needs come first.
_FIRST = (
    "/api/workflow",
    "/api/workflow/trigger/{execution_id}",
    "/api/workflows/{instance_id}",
    "/api/workflows/{instance_id}/results",
)

_DESCRIPTION = """\
Runs workflows given as JSON DAGs. Submit one, trigger it, follow its status, fetch its results.

Every error is `application/problem+json` (RFC 9457). Its `type` is one of:

{types}

A parameter that is unknown is refused, and one that is given twice unless it says otherwise. Bodies may be gzip.

In `errors[]`, a `pointer` leads into the body; `/query/...` and `/headers/...` name a parameter.

Every answer has an `X-Request-Id`: with it, whoever runs the service finds its lines in the logs.
"""


def document(handlers: Mapping[str, Handler], *, server: str = "", auth: ApiAuth = "none") -> Json:
    """The document. `server` is the prefix of all paths (an API Gateway stage: `/dev`)."""
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
        "paths": _paths(),
        "components": {"schemas": _schemas(handlers), "headers": parts.HEADERS, "securitySchemes": schemes},
        "security": [{name: []} for name in schemes],
    }


def _paths() -> Json:
    found: Json = {}
    for resource in (service_openapi, pages_openapi, workflows_openapi, instances_openapi, forecasts_openapi):
        found |= resource.paths()
    return {path: found[path] for path in dict.fromkeys([*_FIRST, *found])}


def _schemas(handlers: Mapping[str, Handler]) -> Json:
    """The schemas of all models, including the configs of the registered handlers."""
    Mode = Literal["validation", "serialization"]
    inputs: list[tuple[type[BaseModel], Mode]] = [(model, "validation") for model in _INPUTS]
    inputs += [(model, "validation") for model in {handler.config: None for handler in handlers.values()}]
    outputs: list[tuple[type[BaseModel], Mode]] = [(model, "serialization") for model in _OUTPUTS]
    refs, generated = models_json_schema(inputs + outputs, ref_template=parts.REF)
    schemas: Json = generated["$defs"]
    # It is a dict in the model, since core/definition.py finds more faults than pydantic.
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
