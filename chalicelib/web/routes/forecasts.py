"""Routes of forecasts: what a run will take, before it runs. Their paths end in `/plan`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from chalice.app import Blueprint, Response

from chalicelib.web import problems, requests
from chalicelib.web.answers import answer

if TYPE_CHECKING:
    from chalicelib.usecases.forecaster import Forecaster


class Parts(Protocol):
    """The part of the application that these routes call."""

    @property
    def forecaster(self) -> Forecaster: ...


def routes(parts: Callable[[], Parts], protected: dict[str, Any]) -> Blueprint:
    """`protected` are the options of routes that only authorized clients may call: see access.py."""
    here = Blueprint(__name__)

    @here.route("/api/workflow/plan", methods=["POST"], **protected)
    @problems.translated
    def forecast() -> Response:
        """The forecast of the workflow in the body."""
        return answer(parts().forecaster.of_body(requests.body(here.current_request)))

    @here.route("/api/workflow/{execution_id}/plan", methods=["GET"], **protected)
    @problems.translated
    def forecast_stored(execution_id: str) -> Response:
        """The forecast of a stored workflow; `?instance_id=` takes durations from that instance."""
        from chalicelib.models.forecast import MOST_WORKERS, WORKERS  # models that most Lambda functions do not need

        request = here.current_request
        workers = requests.number(request, "workers", WORKERS, least=1, most=MOST_WORKERS)
        instance_id = requests.text(request, "instance_id")
        return answer(parts().forecaster.of_stored(execution_id, instance_id=instance_id, workers=workers))

    return here
