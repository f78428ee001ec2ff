"""Workflows that have something to show on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Json = dict[str, Any]
HOSTILE = '<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>'


def node(id: str, handler: str, after: list[str], config: Json | None = None, **more: Any) -> Json:
    return {"id": id, "handler": handler, "dependencies": after, **({"config": config} if config else {}), **more}


def workflow(name: str, *nodes: Json, **more: Any) -> Json:
    return {"name": name, "dag": {"nodes": list(nodes)}, **more}


def gated(path: Path) -> Json:
    """It runs until there is a file at `path`."""
    return workflow(
        "Model training",
        node("dataset", "work", []),
        *(node(f"train_{fold}", "gate", ["dataset"], {"path": str(path)}) for fold in range(2)),
        node("publish", "work", ["train_0", "train_1"]),
        tags={"team": "research"},
    )


def large() -> Json:
    """It has a result of 7 MB, which is too large for any answer."""
    return workflow(
        "A book",
        node("line", "input", [], {"text": "x" * 700}),
        node("page", "output", ["line"], {"value": ["{{ line.text }}"] * 100}),
        node("book", "output", ["page"], {"value": ["{{ page }}"] * 100}),
    )


def many() -> Json:
    """It has results of 700 KB each, which do not all fit into one answer."""
    text = node("text", "output", [], {"value": "x" * 700})
    pages = [node(f"page_{number}", "output", ["text"], {"value": ["{{ text }}"] * 1000}) for number in range(9)]
    return workflow("Pages", text, *pages, node("done", "work", [page["id"] for page in pages]))


def told(url: str) -> Json:
    return workflow("Nightly report", node("report", "work", []), webhook={"url": url, "secret": "WEBHOOK"})


def failing() -> Json:
    """One node fails for good, with an error that contains HTML."""
    return workflow(
        f"Warehouse {HOSTILE}",
        node("scan", "work", [], {"result": HOSTILE}),
        node("reserve", "refuse", ["scan"], {"message": HOSTILE}),
        node("ship", "work", ["reserve"]),
        node("audit", "work", ["scan"]),
        tags={"note": HOSTILE[:100]},
    )


def retried() -> Json:
    """`flaky` fails once, and is on the critical path."""
    policy = {"max_attempts": 3, "initial_backoff_seconds": 0}
    return workflow(
        "Nightly orders",
        node("fetch", "work", []),
        node("flaky", "work", ["fetch"], {"fails": 1, "seconds": 0.3}, retry_policy=policy),
        node("quick", "work", ["fetch"]),
        node("output", "output", ["flaky", "quick"]),
    )
