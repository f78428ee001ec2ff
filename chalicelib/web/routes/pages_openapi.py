"""The part of the OpenAPI document for pages.py."""

from __future__ import annotations

from chalicelib import errors
from chalicelib.web import openapi_parts as parts
from chalicelib.web.openapi_parts import Json


def paths() -> Json:
    return {
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
