"""Who may call the API on API Gateway. Chalice reads this when it packages; nothing here runs for a request."""

from __future__ import annotations

from typing import Any, Literal

from chalice.app import IAMAuthorizer

ApiAuth = Literal["none", "api_key", "iam"]

# The options of a route that anybody gets to. `curl -d` without a header sends application/x-www-form-urlencoded, and
# some clients a Content-Type where there is no body: a body is read as JSON whatever it claims.
OPEN: dict[str, Any] = {"content_types": ["*/*"]}


def protected(auth: ApiAuth) -> dict[str, Any]:
    """The options of a route that only those who may call the API get to."""
    if auth == "iam":
        return {**OPEN, "authorizer": IAMAuthorizer()}
    return {**OPEN, "api_key_required": True} if auth == "api_key" else {**OPEN}
