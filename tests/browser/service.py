"""The service behind the page, as a test calls it."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class Service:
    """`url` is the address of the API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def page(self, place: str = "") -> str:
        return f"{self.url}/ui#/{place}"

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{path}", data), timeout=30) as answer:
            return json.load(answer)

    def start(self, definition: dict[str, Any], **body: Any) -> str:
        """Submit and trigger a workflow. Returns the instance_id."""
        execution_id = self.call("workflow", definition)["execution_id"]
        return str(self.call(f"workflow/trigger/{execution_id}", body)["instance_id"])

    def run(self, definition: dict[str, Any], **body: Any) -> str:
        """Start a workflow, and wait for its end."""
        instance_id = self.start(definition, **body)
        end = time.monotonic() + 30
        while self.call(f"workflows/{instance_id}?wait=10&nodes=false")["status"] not in ENDED:
            assert time.monotonic() < end, "not terminal"
        return instance_id
