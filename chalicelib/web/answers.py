"""The responses of the routes."""

from __future__ import annotations

from chalice.app import Request, Response
from pydantic import BaseModel

from chalicelib.web import requests


def answer(body: BaseModel | str, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as JSON, or a text that is JSON already: chalice passes on a body that is a string unchanged."""
    text = body if isinstance(body, str) else body.model_dump_json()
    return Response(text, headers={"Content-Type": "application/json", **(headers or {})}, status_code=status_code)


def location(request: Request, id: str) -> dict[str, str]:
    return {"Location": f"{requests.mount(request)}/api/workflows/{id}"}
