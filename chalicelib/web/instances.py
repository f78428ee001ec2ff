"""Routes of instances and workflows that exist: lists, history, cancel, pause, resume, run again, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Request, Response

from chalicelib import ids
from chalicelib.errors import NotFound
from chalicelib.web import problems, requests
from chalicelib.web.answers import answer, location

if TYPE_CHECKING:
    from chalicelib.composition import Application

URI_LIST = "text/uri-list"  # RFC 2483
MOST = 200


def routes(application: Callable[[], Application], protected: dict[str, Any]) -> Blueprint:
    """`protected` is who may call them: see access.py."""
    here = Blueprint(__name__)

    def request() -> Request:
        return here.current_request

    def limit(default: int = 50) -> int:
        return requests.number(request(), "limit", default, least=1, most=MOST)

    @here.route("/api/workflows", methods=["GET"], **protected)
    @problems.translated
    def instances() -> Response:
        """Instances, the newest first, and how many there are of each status."""
        wanted, cursor = requests.wanted(request()), requests.cursor(request(), ids.INSTANCE)
        return answer(application().listings.instances(wanted, limit=limit(), cursor=cursor))

    @here.route("/api/workflow", methods=["GET"], **protected)
    @problems.translated
    def workflows() -> Response:
        """Workflows, the newest first."""
        wanted, cursor = requests.wanted(request()), requests.cursor(request(), ids.EXECUTION)
        return answer(application().listings.workflows(wanted, limit=limit(), cursor=cursor))

    @here.route("/api/workflow/{execution_id}", methods=["GET", "DELETE"], **protected)
    @problems.translated
    def workflow(execution_id: str) -> Response:
        """A workflow as it was submitted; DELETE removes it."""
        if request().method == "DELETE":
            return _deleted(application(), execution_id, ids.EXECUTION)
        return answer(application().listings.workflow(execution_id))

    @here.route("/api/workflows/{instance_id}", methods=["DELETE"], **protected)
    @problems.translated
    def delete(instance_id: str) -> Response:
        """Remove a terminal instance, with all that is stored of it."""
        return _deleted(application(), instance_id, ids.INSTANCE)

    @here.route("/api/workflows/{instance_id}/results/{node}", methods=["GET"], **protected)
    @problems.translated
    def result(instance_id: str, node: str) -> Response:
        """The result of one node alone; of a very large one, where it is.

        A browser's script cannot follow a redirect to another origin: by `Accept: text/uri-list` it is told instead.
        """
        found = application().results.of_node(instance_id, node, requests.epoch(request()))
        if found.url is not None and requests.accepts(request(), URI_LIST):
            return Response(f"{found.url}\r\n", headers={"Content-Type": URI_LIST, "Cache-Control": "no-store"})
        if found.url is not None:
            return Response("", status_code=303, headers={"Location": found.url, "Cache-Control": "no-store"})
        return Response(found.value.decode(), headers={"Content-Type": "application/json"})

    @here.route("/api/workflows/{instance_id}/history", methods=["GET"], **protected)
    @problems.translated
    def history(instance_id: str) -> Response:
        """What happened, the oldest first; with `?node=` to one node, and why it is where it is."""
        cursor = requests.number(request(), "cursor", 0, least=0, most=999_999_999)
        node = requests.text(request(), "node")
        return answer(application().history.of(instance_id, node=node, limit=limit(100), cursor=cursor))

    @here.route("/api/workflows/{instance_id}/cancel", methods=["POST"], **protected)
    @problems.translated
    def cancel(instance_id: str) -> Response:
        """End an instance now."""
        return answer(application().control.cancel(instance_id, requests.body(request())))

    @here.route("/api/workflows/{instance_id}/pause", methods=["POST"], **protected)
    @problems.translated
    def pause(instance_id: str) -> Response:
        """Start no further node until it is resumed."""
        return answer(application().control.pause(instance_id))

    @here.route("/api/workflows/{instance_id}/resume", methods=["POST"], **protected)
    @problems.translated
    def resume(instance_id: str) -> Response:
        """Go on with a paused instance."""
        return answer(application().control.resume(instance_id))

    @here.route("/api/workflows/{instance_id}/rerun", methods=["POST"], **protected)
    @problems.translated
    def rerun(instance_id: str) -> Response:
        """Run a terminal instance again: what did not complete, or from chosen nodes on."""
        body, key = requests.body(request()), requests.idempotency_key(request())
        restarted = application().control.rerun(instance_id, body, key)
        return answer(restarted, 202, location(request(), restarted.instance_id))

    return here


def _deleted(application: Application, id: str, kind: str) -> Response:
    if not ids.is_valid(id, kind):
        raise NotFound(f"there is no {'workflow' if kind == ids.EXECUTION else 'instance'} `{id[:60]}`")
    application.control.delete(id)
    return Response("", status_code=204)
