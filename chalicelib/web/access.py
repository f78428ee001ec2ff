"""Who may call the API on API Gateway. Chalice reads this when it packages; it plays no part in a request."""

from __future__ import annotations

from typing import Any, Literal

from chalice.app import IAMAuthorizer

ApiAuth = Literal["none", "api_key", "iam"]

# The options of a route that every client may call. A body is read as JSON whatever its Content-Type: `curl -d` sends
# application/x-www-form-urlencoded by default, and some clients send a Content-Type without a body.
OPEN: dict[str, Any] = {"content_types": ["*/*"]}


def protected(auth: ApiAuth) -> dict[str, Any]:
    """The options of a route that only authorized clients may call."""
    if auth == "iam":
        return {**OPEN, "authorizer": IAMAuthorizer()}
    return {**OPEN, "api_key_required": True} if auth == "api_key" else {**OPEN}
