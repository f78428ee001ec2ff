"""The built-in workflow that calls a webhook, by its id and its plan; and the plans that a process keeps."""

from __future__ import annotations

import json

import pytest

from chalicelib.core import delivery
from chalicelib.core.records import StoredWorkflow
from chalicelib.core.retry import Retry
from chalicelib.store.definitions import Definitions


@pytest.mark.parametrize(
    ("id", "secret"),
    [("webhook", None), ("webhook:KEY", "KEY"), ("webhook:a_b-C9", "a_b-C9"), (f"webhook:{'k' * 128}", "k" * 128)],
)
def test_the_id_names_the_secret_that_signs(id: str, secret: str | None) -> None:
    assert delivery.execution_id(secret) == id and delivery.is_one(id)
    plan = delivery.plan(id)
    assert plan is not None
    [node] = plan.nodes
    config = {"url": "{{ params.url }}", "body": "{{ params.body }}"}
    assert node.config == config | ({"secret": f"{{{{ secrets.{secret} }}}}"} if secret else {})
    assert (plan.name, node.id, node.handler, node.dependencies, node.timeout_seconds) == (
        *("webhook", "call", "webhook", (), 30),
    )
    assert node.retry == Retry(
        max_attempts=12, initial_backoff_seconds=10, backoff_multiplier=4, max_backoff_seconds=21_600
    )
    assert plan.terms.timeout_ms == 3 * 86_400_000 and not plan.terms.webhook and plan.nodes[delivery.NODE] is node


@pytest.mark.parametrize(
    "id", ["", "webhook:", "webhooks", "webhook:a b", f"webhook:{'k' * 129}", "ex-1", "webhook:KEY\n", "a webhook"]
)
def test_other_ids_are_of_other_workflows(id: str) -> None:
    assert not delivery.is_one(id) and delivery.plan(id) is None


class Store:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.there = {"a", "b", "c"}

    def workflow(self, execution_id: str) -> StoredWorkflow | None:
        self.asked.append(execution_id)
        document = {"name": execution_id, "dag": {"nodes": [{"id": "n", "handler": "noop"}]}}
        stored = StoredWorkflow(execution_id, execution_id, json.dumps(document).encode(), 0, None)
        return stored if execution_id in self.there else None


def test_the_plans_used_last_are_kept() -> None:
    store = Store()
    definitions = Definitions(store, size=2)  # type: ignore[arg-type]
    first = definitions.get("a")
    assert first is not None and first.name == "a" and definitions.get("a") is first
    assert store.asked == ["a"]
    definitions.get("b")
    definitions.get("a")  # so b is the least recently used one
    definitions.get("c")
    assert definitions.get("a") is first and store.asked == ["a", "b", "c"]
    definitions.get("b")
    assert store.asked == ["a", "b", "c", "b"]
    assert definitions.get("a") is first and store.asked == ["a", "b", "c", "b"]  # c was dropped: a was used later


def test_a_workflow_that_is_gone_is_asked_for_again() -> None:
    store = Store()
    definitions = Definitions(store)  # type: ignore[arg-type]
    assert definitions.get("gone") is None and definitions.get("gone") is None and store.asked == ["gone", "gone"]
    store.there.add("gone")
    assert definitions.get("gone") is not None


def test_the_built_in_workflow_is_in_no_store() -> None:
    store = Store()
    definitions = Definitions(store)  # type: ignore[arg-type]
    plan = definitions.get("webhook:KEY")
    assert plan is not None and definitions.get("webhook:KEY") is plan and store.asked == []


def test_so_many_plans_are_kept_by_default() -> None:
    store = Store()
    store.there = {str(number) for number in range(129)}
    definitions = Definitions(store)  # type: ignore[arg-type]
    for number in range(129):
        definitions.get(str(number))
    definitions.get("1")
    assert len(store.asked) == 129
    definitions.get("0")
    assert len(store.asked) == 130
