"""What the routes answer with."""

from __future__ import annotations

from chalice.app import Request, Response
from pydantic import BaseModel

from chalicelib.web import requests


def answer(body: BaseModel, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as JSON. Chalice passes a body that is a string through as it is."""
    return Response(
        body.model_dump_json(), headers={"Content-Type": "application/json", **(headers or {})}, status_code=status_code
    )


def location(request: Request, id: str) -> dict[str, str]:
    return {"Location": f"{requests.mount(request)}/api/workflows/{id}"}
