"""Routes of the pages for a browser. All are open: they contain nothing of any workflow."""

from __future__ import annotations

from chalice.app import Blueprint, Request, Response

from chalicelib.web import docs, page, problems
from chalicelib.web.access import OPEN, ApiAuth
from chalicelib.web.assets import Asset


def routes(auth: ApiAuth) -> Blueprint:
    """`auth` is what the live page must send to reach the API."""
    here = Blueprint(__name__)

    @here.route("/api/docs", methods=["GET"], **OPEN)
    @problems.translated
    def docs_page() -> Response:
        """Swagger UI."""
        return Response(docs.page(trailing_slash=_slashed(here.current_request)), headers={**docs.PAGE_HEADERS})

    @here.route("/api/docs/{asset}", methods=["GET"], **OPEN)
    @problems.translated
    def docs_asset(asset: str) -> Response:
        """A file of Swagger UI."""
        return _file(here.current_request, docs.asset(asset))

    @here.route("/api/ui", methods=["GET"], **OPEN)
    @problems.translated
    def live_page() -> Response:
        """The live page."""
        text = page.page(trailing_slash=_slashed(here.current_request), auth=auth)
        return Response(text, headers={**page.PAGE_HEADERS})

    @here.route("/api/ui/{release}/{asset}", methods=["GET"], **OPEN)
    @problems.translated
    def live_asset(release: str, asset: str) -> Response:
        """A file of the live page."""
        return _file(here.current_request, page.asset(release, asset), page.ASSET_HEADERS)

    return here


def _slashed(request: Request) -> bool:
    return str(request.context.get("path")).endswith("/")


def _file(request: Request, asset: Asset, more: dict[str, str] | None = None) -> Response:
    if asset.matches(request.headers.get("if-none-match")):
        return Response("", headers={**asset.headers, **(more or {})}, status_code=304)
    return Response(asset.text, headers={**asset.headers, **(more or {})})
