"""Routes of instances: list, status, results, history, cancel, pause, resume, run again, delete."""

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
    from chalicelib.usecases.history import History
    from chalicelib.usecases.listing import Listings
    from chalicelib.usecases.results import Results
    from chalicelib.usecases.status import Status

URI_LIST = "text/uri-list"  # RFC 2483


class Parts(Protocol):
    """The parts of the application that these routes call."""

    @property
    def listings(self) -> Listings: ...
    @property
    def status(self) -> Status: ...
    @property
    def results(self) -> Results: ...
    @property
    def history(self) -> History: ...
    @property
    def control(self) -> Control: ...


def routes(parts: Callable[[], Parts], protected: dict[str, Any]) -> Blueprint:
    """`protected` are the options of routes that only authorized clients may call: see access.py."""
    here = Blueprint(__name__)

    def request() -> Request:
        return here.current_request

    @here.route("/api/workflows", methods=["GET"], **protected)
    @problems.translated
    def instances() -> Response:
        """List instances, the newest first, and count those of each status."""
        wanted, cursor = requests.wanted(request()), requests.cursor(request(), ids.INSTANCE)
        return answer(parts().listings.instances(wanted, limit=requests.limit(request()), cursor=cursor))

    @here.route("/api/workflows/{instance_id}", methods=["DELETE"], **protected)
    @problems.translated
    def delete(instance_id: str) -> Response:
        """Delete a terminal instance, with all that is stored of it."""
        if not ids.is_valid(instance_id, ids.INSTANCE):
            raise NotFound(f"there is no instance `{instance_id[:60]}`")
        parts().control.delete(instance_id)
        return Response("", status_code=204)

    @here.route("/api/workflows/{instance_id}", methods=["GET"], **protected)
    @problems.translated
    def status(instance_id: str) -> Response:
        """The status of an instance, after at most `?wait=` seconds; with `?nodes=false` without its nodes."""
        wait_seconds, nodes = requests.wait_seconds(request()), requests.nodes(request())
        return answer(parts().status.of(instance_id, wait_seconds, nodes=nodes))

    @here.route("/api/workflows/{instance_id}/results", methods=["GET"], **protected)
    @problems.translated
    def results(instance_id: str) -> Response:
        """The results of a terminal instance, with `?epoch=` as they were in an earlier one."""
        epoch, mount = requests.epoch(request()), requests.mount(request())
        return answer(parts().results.of(instance_id, epoch, mount=mount))

    @here.route("/api/workflows/{instance_id}/results/{node}", methods=["GET"], **protected)
    @problems.translated
    def result(instance_id: str, node: str) -> Response:
        """The result of one node alone; if it is very large, a redirect to it.

        A browser's script cannot follow a redirect to another origin: with `Accept: text/uri-list` it gets the address.
        """
        found = parts().results.of_node(instance_id, node, requests.epoch(request()))
        if found.url is not None and requests.accepts(request(), URI_LIST):
            return Response(f"{found.url}\r\n", headers={"Content-Type": URI_LIST, "Cache-Control": "no-store"})
        if found.url is not None:
            return Response("", status_code=303, headers={"Location": found.url, "Cache-Control": "no-store"})
        return Response(found.value.decode(), headers={"Content-Type": "application/json"})

    @here.route("/api/workflows/{instance_id}/history", methods=["GET"], **protected)
    @problems.translated
    def history(instance_id: str) -> Response:
        """The events of an instance, the oldest first; with `?node=` those of one node, and why it is where it is."""
        cursor = requests.number(request(), "cursor", 0, least=0, most=999_999_999)
        node, limit = requests.text(request(), "node"), requests.limit(request(), 100)
        return answer(parts().history.of(instance_id, node=node, limit=limit, cursor=cursor))

    @here.route("/api/workflows/{instance_id}/cancel", methods=["POST"], **protected)
    @problems.translated
    def cancel(instance_id: str) -> Response:
        """End an instance now."""
        return answer(parts().control.cancel(instance_id, requests.body(request())))

    @here.route("/api/workflows/{instance_id}/pause", methods=["POST"], **protected)
    @problems.translated
    def pause(instance_id: str) -> Response:
        """Start no further node until the instance is resumed."""
        return answer(parts().control.pause(instance_id))

    @here.route("/api/workflows/{instance_id}/resume", methods=["POST"], **protected)
    @problems.translated
    def resume(instance_id: str) -> Response:
        """Go on with a paused instance."""
        return answer(parts().control.resume(instance_id))

    @here.route("/api/workflows/{instance_id}/rerun", methods=["POST"], **protected)
    @problems.translated
    def rerun(instance_id: str) -> Response:
        """Run a terminal instance again: the nodes that did not complete, or from chosen nodes on."""
        body, key = requests.body(request()), requests.idempotency_key(request())
        restarted = parts().control.rerun(instance_id, body, key)
        return answer(restarted, 202, location(request(), restarted.instance_id))

    return here
