"""The part of the OpenAPI document for forecasts.py."""

from __future__ import annotations

from http import HTTPStatus

from chalicelib import errors
from chalicelib.models.forecast import MOST_WORKERS, WORKERS
from chalicelib.web import examples
from chalicelib.web import openapi_parts as parts
from chalicelib.web.openapi_parts import Json

_WORKERS = parts.number("workers", "how many invocations there may be at once", 1, MOST_WORKERS, WORKERS)
_INSTANCE = parts.query(
    "instance_id", "takes the durations from how long the nodes of this instance took", {"type": "string"}
)
_SUMMARY = "What a run will take, before it runs"
_DESCRIPTION = """\
Levels, the widest of them, the critical path; how long a run takes with and without a limit on workers; its messages,
requests, invocations and calls, and what it costs beside Step Functions. The engine's own rules are played through in
virtual time; what is assumed is in the answer. Nothing is stored.
"""


def paths() -> Json:
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [parts.ref("Workflow"), parts.ref("PlanRequest")]},
                "examples": examples.FORECAST_REQUESTS,
            }
        },
    }
    return {
        "/api/workflow/plan": {
            "post": parts.operation(
                "planWorkflow",
                _SUMMARY,
                f"{_DESCRIPTION}\nThe workflow is checked as a submission is.",
                requestBody=body,
                success=_forecast(),
                failures=[*parts.BODIES, errors.NotFound, errors.Unavailable],
            )
        },
        "/api/workflow/{execution_id}/plan": {
            "get": parts.operation(
                "planStored",
                f"{_SUMMARY}, of a stored workflow",
                _DESCRIPTION,
                parameters=[parts.EXECUTION, _INSTANCE, _WORKERS],
                success=_forecast(),
                failures=[errors.NotFound, errors.InvalidDocument, errors.Unavailable],
            )
        },
    }


def _forecast() -> Json:
    answer = parts.success(HTTPStatus.OK, "Forecast", "The forecast")
    answer["200"]["content"]["application/json"]["example"] = examples.FORECAST
    return answer
