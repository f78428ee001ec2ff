"""API Gateway's REST API in front of a function: requests become proxy events, and answers become responses.

Amazon API Gateway Developer Guide, "Lambda proxy integrations in API Gateway".
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalice.local import RouteMatcher

from local.functions.function import Function


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """A gateway that knows the routes of the template's RestAPI, and nothing of the app."""

    def __init__(self, rest_api: Mapping[str, Any], function: Function, *, stage: str) -> None:
        self.paths = rest_api["Properties"]["DefinitionBody"]["paths"]
        self._routes = RouteMatcher(list(self.paths))
        self._function = function
        self._stage = stage

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body=None if body is None else json.dumps(body), headers=headers)

    def request(
        self, method: str, path: str, *, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises ValueError for a path without a route, and FunctionError. API Gateway answers these 403 and 502."""
        route = self._routes.match_route(path)
        if method.lower() not in self.paths[route.route]:
            raise ValueError(f"{route.route} has no {method}")
        answer = self._function(self._event(method, path.partition("?")[0], route, body, headers or {}))
        content = answer["body"].encode()
        return Answer(
            answer["statusCode"],
            {
                **answer.get("headers", {}),
                **{name: ", ".join(values) for name, values in answer.get("multiValueHeaders", {}).items()},
            },
            base64.b64decode(content) if answer.get("isBase64Encoded") else content,
        )

    def _event(
        self, method: str, path: str, route: Any, body: str | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        headers = {"Host": "abc123.execute-api.us-east-1.amazonaws.com", "Content-Type": "application/json", **headers}
        query = route.query_params or None
        return {
            "resource": route.route,
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": query and {name: values[-1] for name, values in query.items()},
            "multiValueQueryStringParameters": query,
            "pathParameters": route.captured or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": route.route,
                "httpMethod": method,
                "path": f"/{self._stage}{path}",
                "stage": self._stage,
                "protocol": "HTTP/1.1",
                "requestId": str(uuid.uuid4()),
                "identity": {"sourceIp": "127.0.0.1", "userAgent": "tests"},
            },
            "body": body,
            "isBase64Encoded": False,
        }
