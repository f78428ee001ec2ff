"""Routes of the service itself: its health, its metrics, its OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from chalice.app import Blueprint, Request, Response

from chalicelib.web import problems, requests
from chalicelib.web.access import OPEN, ApiAuth
from chalicelib.web.answers import answer

if TYPE_CHECKING:
    from chalicelib.core.handler import Handler
    from chalicelib.usecases.health import Health


class Metering(Protocol):
    """The part that exposes metrics to Prometheus."""

    def exposition(self, accept: str) -> tuple[str, str]: ...


class Parts(Protocol):
    """The parts of the application that these routes call."""

    @property
    def health(self) -> Health: ...
    @property
    def metering(self) -> Metering: ...
    @property
    def handlers(self) -> Mapping[str, Handler]: ...


def routes(parts: Callable[[], Parts], protected: dict[str, Any], auth: ApiAuth) -> Blueprint:
    """`protected` are the options of routes that only authorized clients may call; `auth` is how they authorize.

    Health and the document are open: they contain nothing of any workflow.
    """
    here = Blueprint(__name__)

    def request() -> Request:
        return here.current_request

    @here.route("/api/health", methods=["GET"], **OPEN)
    @problems.translated
    def health() -> Response:
        """Whether the store and the queue can be reached."""
        found = parts().health.check()
        return answer(found, 200 if found.status == "ok" else 503)

    @here.route("/api/metrics", methods=["GET"], **protected)
    @problems.translated
    def metrics() -> Response:
        """All metrics, for Prometheus; 404 unless the setting METRICS is `prometheus`."""
        text, content_type = parts().metering.exposition(request().headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    @here.route("/api/openapi.json", methods=["GET"], **OPEN)
    @problems.translated
    def openapi_document() -> Response:
        """The OpenAPI document of exactly this deployment: its address, its handlers."""
        from chalicelib.web import openapi  # slow to import, and no other route needs it

        document = openapi.document(parts().handlers, server=requests.mount(request()), auth=auth)
        return Response(json.dumps(document), headers={"Content-Type": "application/json", "Cache-Control": "no-cache"})

    return here
