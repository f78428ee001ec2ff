"""The built-in workflow that calls a webhook: so the call is queued, retried, swept and recorded like any other node.

Its execution_id is `webhook`, or `webhook:NAME` if the secret NAME signs the call; it is not in the store. Its params
are the URL and the body.
"""

from __future__ import annotations

import json
import re

from chalicelib.core.plan import Plan

NODE = 0
_ID = re.compile(r"webhook(?::([A-Za-z0-9_-]{1,128}))?")
# At once, then after up to 10 s, 40 s, 3, 11, 43 min, 3 h, and 6 h each: 17 hours on average, 34 at most.
_RETRIES = {
    "max_attempts": 12,
    "initial_backoff_seconds": 10,
    "backoff_multiplier": 4,
    "max_backoff_seconds": 6 * 3600,
}
_MOST_SECONDS = 3 * 86400


def execution_id(secret: str | None) -> str:
    """The id of the workflow for calls that the secret of this name signs; with None, for unsigned ones."""
    return f"webhook:{secret}" if secret else "webhook"


def is_one(execution_id: str) -> bool:
    return _ID.fullmatch(execution_id) is not None


def plan(execution_id: str) -> Plan | None:
    """The plan, or None if the id is that of any other workflow."""
    found = _ID.fullmatch(execution_id)
    if found is None:
        return None
    config = {"url": "{{ params.url }}", "body": "{{ params.body }}"}
    if found[1]:
        config["secret"] = f"{{{{ secrets.{found[1]} }}}}"
    call = {"id": "call", "handler": "webhook", "config": config, "retry_policy": _RETRIES, "timeout_seconds": 30}
    # The limit also keeps it from releases that do not know this workflow (ARCHITECTURE.md, "Versions").
    document = {"name": "webhook", "dag": {"nodes": [call]}, "timeout_seconds": _MOST_SECONDS}
    return Plan.from_json(json.dumps(document).encode())
