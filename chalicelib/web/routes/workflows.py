"""Routes of workflows: submit, list, show, delete, trigger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from chalice.app import Blueprint, Request, Response

from chalicelib import ids
from chalicelib.errors import NotFound
from chalicelib.web import problems, requests
from chalicelib.web.answers import answer, location

if TYPE_CHECKING:
    from chalicelib.usecases.control import Control
    from chalicelib.usecases.listing import Listings
    from chalicelib.usecases.runs import Runs
    from chalicelib.usecases.submission import Submission
    from chalicelib.usecases.triggering import Triggering


class Parts(Protocol):
    """The parts of the application that these routes call."""

    @property
    def submission(self) -> Submission: ...
    @property
    def triggering(self) -> Triggering: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def listings(self) -> Listings: ...
    @property
    def control(self) -> Control: ...


def routes(parts: Callable[[], Parts], protected: dict[str, Any]) -> Blueprint:
    """`protected` are the options of routes that only authorized clients may call: see access.py."""
    here = Blueprint(__name__)

    def request() -> Request:
        return here.current_request

    @here.route("/api/workflow", methods=["GET"], **protected)
    @problems.translated
    def workflows() -> Response:
        """List workflows, the newest first."""
        wanted, cursor = requests.wanted(request()), requests.cursor(request(), ids.EXECUTION)
        return answer(parts().listings.workflows(wanted, limit=requests.limit(request()), cursor=cursor))

    @here.route("/api/workflow", methods=["POST"], **protected)
    @problems.translated
    def submit() -> Response:
        """Validate and store a workflow."""
        submitted = parts().submission.submit(requests.body(request()), requests.idempotency_key(request()))
        return answer(submitted, 201, location(request(), submitted.execution_id))

    @here.route("/api/workflow/{execution_id}", methods=["GET", "DELETE"], **protected)
    @problems.translated
    def workflow(execution_id: str) -> Response:
        """Show a workflow as it was submitted, or delete it."""
        if request().method == "GET":
            return answer(parts().listings.workflow(execution_id))
        if not ids.is_valid(execution_id, ids.EXECUTION):
            raise NotFound(f"there is no workflow `{execution_id[:60]}`")
        parts().control.delete(execution_id)
        return Response("", status_code=204)

    @here.route("/api/workflow/trigger/{execution_id}", methods=["POST"], **protected)
    @problems.translated
    def trigger(execution_id: str) -> Response:
        """Start an instance; with `?wait=`, answer with its output if it ends within these seconds."""
        wait_seconds = requests.wait_seconds(request())
        body, key = requests.body(request()), requests.idempotency_key(request())
        if not wait_seconds:
            triggered = parts().triggering.trigger(execution_id, body, key)
            return answer(triggered, 202, location(request(), triggered.instance_id))
        run = parts().runs.start(execution_id, body, key, wait_seconds, mount=requests.mount(request()))
        where = location(request(), run.triggered.instance_id)
        return answer(run.triggered, 202, where) if run.finished is None else answer(run.finished, 200, where)

    return here
