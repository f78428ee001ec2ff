"""The part of the OpenAPI document for service.py."""

from __future__ import annotations

from http import HTTPStatus

from chalicelib import errors
from chalicelib.web import openapi_parts as parts
from chalicelib.web.openapi_parts import Json


def paths() -> Json:
    return {
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
    }
