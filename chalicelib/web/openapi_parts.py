"""The pieces of the OpenAPI document that its parts share: operations, responses, parameters, links."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from chalicelib import errors
from chalicelib.web import problems, requests

Json = dict[str, Any]

REF = "#/components/schemas/{model}"
# The schemes by the setting API_AUTH. API Gateway checks the credentials.
SECURITY: dict[str, Json] = {
    "none": {},
    "api_key": {"api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    "iam": {
        "iam": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "AWS Signature Version 4",
            "x-amazon-apigateway-authtype": "awsSigv4",
        }
    },
}


# The errors of every operation: a foreign origin or host, and an unknown query parameter.
EVERYWHERE = (errors.Refused, errors.InvalidDocument)
BODIES: list[type[errors.DagServiceError]] = [
    errors.MalformedBody,
    errors.BodyTooLarge,
    errors.UnsupportedEncoding,
    errors.InvalidDocument,
]


def operation(
    id: str,
    summary: str,
    description: str,
    *,
    success: Json,
    failures: list[type[errors.DagServiceError]] | None = None,
    tag: str = "workflows",
    **more: Any,
) -> Json:
    kinds = [problems.KINDS[error] for error in dict.fromkeys([*(failures or []), *EVERYWHERE])] + [problems.INTERNAL]
    about: Json = {"description": description} if description else {}
    if tag == "service":
        about["security"] = []  # open with any API_AUTH
    responses = success | {key: value for key, value in _failures(kinds).items() if key not in success}
    return {"operationId": id, "tags": [tag], "summary": summary, **about, **more, "responses": responses}


def deletion(id: str, what: str, parameter: Json, *failures: type[errors.DagServiceError]) -> Json:
    return operation(
        id,
        f"Delete {what}",
        "",
        parameters=[parameter],
        success={"204": {"description": "It is gone"}},
        failures=[errors.NotFound, errors.Unavailable, *failures],
    )


def _failures(kinds: list[problems.Kind]) -> Json:
    """The responses by status. Kinds of one status share a response."""
    responses: Json = {}
    for kind in kinds:
        key = str(kind.status.value)
        response = responses.setdefault(key, {"content": _PROBLEM})
        response["description"] = "; ".join(filter(None, [response.get("description"), kind.title]))
        if kind.retry_after is not None:
            response["headers"] = _headers(["Retry-After"])
    return responses


def success(
    status: HTTPStatus, model: str, description: str, headers: Sequence[str] = (), links: Json | None = None
) -> Json:
    response: Json = {"description": description, "content": content(ref(model))}
    if headers:
        response["headers"] = _headers(headers)
    if links:
        response["links"] = links
    return {str(status.value): response}


def text(description: str, *types: str) -> Json:
    return {"200": {"description": description, "content": {type: {"schema": {"type": "string"}} for type in types}}}


def body(model: str, samples: Json, *, required: bool) -> Json:
    return {"required": required, "content": {"application/json": {"schema": ref(model), "examples": samples}}}


def path(name: str, description: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def number(name: str, description: str, least: int, most: int, default: int) -> Json:
    return query(name, description, {"type": "integer", "minimum": least, "maximum": most, "default": default})


def wait(description: str) -> Json:
    schema = {"type": "number", "minimum": 0, "maximum": requests.WAIT_MAX_SECONDS, "default": 0}
    return query("wait", description, schema)


def page(kind: str) -> list[Json]:
    """The parameters of a list. `kind` is the kind of ids that its entries have."""
    moment = {"type": "string", "format": "date-time"}
    tag = {"type": "array", "maxItems": 20, "items": {"type": "string", "pattern": "^[^:]+:.*$"}}
    pattern = f"^{kind}-[0-9a-f]{{28}}[0-3][0-9a-f]$"
    return [
        query("name", "a part of the name, in any case", {"type": "string"}),
        query("tag", "`key:value`; of several, all must fit", tag),
        query("from", "created at this time or later", moment),
        query("to", "created at this time or earlier", moment),
        number("limit", "entries of a page", 1, requests.LIMIT_MAX, requests.LIMIT),
        query("cursor", "what `next` was in the page before", {"type": "string", "pattern": pattern}),
    ]


def content(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _headers(names: Sequence[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def ref(model: str) -> Json:
    return {"$ref": REF.format(model=model)}


def link(operation: str, parameter: str, expression: str, description: str) -> Json:
    return {"operationId": operation, "parameters": {parameter: expression}, "description": description}


_PROBLEM = {problems.CONTENT_TYPE: {"schema": ref("ProblemDetails")}}

HEADERS: Json = {
    "Location": {"description": "where the status is", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "in seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}

KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body give the same answer, however often they are sent.",
    "schema": {"type": "string", "pattern": requests.KEY_PATTERN, "maxLength": requests.KEY_MAX_LENGTH},
}

EXECUTION = path("execution_id", "as a submission answered it")

AFTER_START = {
    "status": link("getStatus", "instance_id", "$response.body#/instance_id", "how far it is"),
    "results": link("getResults", "instance_id", "$response.body#/instance_id", "what it yielded"),
}
