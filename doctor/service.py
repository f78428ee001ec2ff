"""The service over HTTP, as a client sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doctor.findings import Finding, broken, ok, warning

SECONDS = 30.0  # API Gateway waits as long


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """The answer to GET /api/health."""

    url: str
    status: int
    body: Mapping[str, Any]


def gather(url: str, *, seconds: float = SECONDS) -> ServiceFacts:
    """Raises urllib3's errors if there is no answer, and ValueError if it is not JSON."""
    from chalicelib import wire

    with wire.pools(retries=False) as pool:
        answer = pool.request("GET", url, timeout=seconds)
        return ServiceFacts(url=url, status=answer.status, body=json.loads(answer.data))


def health(facts: ServiceFacts) -> Finding:
    says = f"{facts.status} from {facts.url}"
    if facts.status == 200:
        versions = facts.body.get("versions", {})
        return ok("health", f"{says}: {facts.body.get('store')}, queue {facts.body.get('queue')}, {versions}")
    if facts.status == 503:
        return broken("health", f"{says}: {_reasons(facts.body)}", "see the checks of store and queue")
    return broken("health", f"{says}: {facts.body}", "is another program on this port or behind this address?")


def load(facts: ServiceFacts) -> Finding | None:
    why = facts.body.get("load")
    if why is None or why == "ok":
        return ok("admission", "new instances are let in") if why else None
    return warning("admission", f"new instances are refused: {why}", "docs/operate.md, by the reason that it names")


def _reasons(body: Mapping[str, Any]) -> str:
    parts = (f"{name}: {body[name]}" for name in ("store", "queue") if body.get(name) not in (None, "ok"))
    return "; ".join(parts) or str(body)
