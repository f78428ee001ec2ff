"""Who may call the API on API Gateway. Chalice reads this when it packages; nothing here runs for a request."""

from __future__ import annotations

from typing import Any, Literal

from chalice.app import IAMAuthorizer

ApiAuth = Literal["none", "api_key", "iam"]


def protected(auth: ApiAuth) -> dict[str, Any]:
    """The options of a route that only those who may call the API get to."""
    if auth == "iam":
        return {"authorizer": IAMAuthorizer()}
    return {"api_key_required": True} if auth == "api_key" else {}
