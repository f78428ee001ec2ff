"""Routes that say what a workflow will take before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib.models.forecast import MOST_WORKERS, WORKERS
from chalicelib.web import problems, requests
from chalicelib.web.answers import answer

if TYPE_CHECKING:
    from chalicelib.composition import Application


def routes(application: Callable[[], Application], protected: dict[str, Any]) -> Blueprint:
    """`protected` is who may call them: see access.py."""
    here = Blueprint(__name__)

    @here.route("/api/workflow/plan", methods=["POST"], **protected)
    @problems.translated
    def plan() -> Response:
        """Of a workflow that is sent along."""
        return answer(application().forecaster.of_body(requests.body(here.current_request)))

    @here.route("/api/workflow/{execution_id}/plan", methods=["GET"], **protected)
    @problems.translated
    def plan_stored(execution_id: str) -> Response:
        """Of a stored workflow; `?instance_id=` takes durations from there."""
        request = here.current_request
        workers = requests.number(request, "workers", WORKERS, least=1, most=MOST_WORKERS)
        instance_id = requests.text(request, "instance_id")
        return answer(application().forecaster.of_stored(execution_id, instance_id=instance_id, workers=workers))

    return here
