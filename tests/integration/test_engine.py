"""The invariants of docs/invariants.md, with random DAGs on four workers, and doubled, lost and unordered messages."""

from __future__ import annotations

import functools
import json
import random
import threading
from collections import Counter
from typing import Any

import pytest
import redis

from chalicelib.errors import DoNotRetry
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.store import keys
from tests.support.harness import Workers, application, by_messages, drain, run, some, wait_until
from tests.support.invariants import check_invariants

DAGS = 200


class Plan(Config):
    fails: int = 0
    fatal: bool = False
    milliseconds: float = 0


def random_workflow(rng: random.Random, number: int) -> dict[str, Any]:
    """Draw up to 25 nodes, each depending on some of those before it. Some fail a few times, some for good."""
    nodes: list[dict[str, Any]] = []
    for i in range(rng.randint(1, 25)):
        parents = rng.sample(range(i), min(i, rng.choice([0, 1, 1, 2, 3, 5])))
        fails = rng.choice([0, 0, 0, 0, 1, 2])
        nodes.append(
            {
                "id": f"n{i}",
                "handler": rng.choice(["planned", "planned", "noop"]),
                "dependencies": [f"n{parent}" for parent in parents],
                "retry_policy": {"max_attempts": 3, "initial_backoff_seconds": 0},
            }
        )
        if nodes[-1]["handler"] == "planned":
            nodes[-1]["config"] = {
                "fails": fails,
                "fatal": rng.random() < 0.04,
                "milliseconds": rng.choice([0, 0, 1, 3]),
            }
    rng.shuffle(nodes)
    return {"name": f"random {number}", "dag": {"nodes": nodes}}


def expected(workflow: dict[str, Any]) -> dict[str, str]:
    """Compute how every node must end, from the definition alone."""
    nodes = {node["id"]: node for node in workflow["dag"]["nodes"]}
    states: dict[str, str] = {}

    def state(id: str) -> str:
        if id not in states:
            parents = [state(parent) for parent in nodes[id]["dependencies"]]
            if any(parent != "COMPLETED" for parent in parents):
                states[id] = "SKIPPED"
            else:
                states[id] = "FAILED" if nodes[id].get("config", {}).get("fatal") else "COMPLETED"
        return states[id]

    return {id: state(id) for id in nodes}


@pytest.mark.parametrize("seed", [1, 2])
def test_random_dags_keep_the_invariants(valkey_url: str, seed: int) -> None:
    rng = random.Random(seed)
    client = redis.Redis.from_url(valkey_url)
    started: Counter[tuple[str, str]] = Counter()
    committed: Counter[tuple[str, int]] = Counter()
    early: list[str] = []
    parents: dict[str, dict[str, list[str]]] = {}
    lock = threading.Lock()

    @handler("planned")
    def planned(config: Plan, context: Context) -> str:
        view = app.status.of(context.instance_id)
        early.extend(
            f"{context.instance_id} {context.node_id} before {parent}"
            for parent in parents[context.execution_id][context.node_id]
            if view.nodes[parent].status != "COMPLETED"
        )
        assert set(context.results) == set(parents[context.execution_id][context.node_id])
        with lock:
            started[context.instance_id, context.node_id] += 1
        check_invariants(client, context.instance_id)
        if config.milliseconds:
            threading.Event().wait(config.milliseconds / 1000)
        if config.fatal:
            raise DoNotRetry("fatal")
        if context.attempt <= config.fails:
            raise RuntimeError("planned failure")
        return context.node_id

    queue = MemoryQueue(seed=seed, lose=0.05, double=0.2)
    app = application(valkey_url, queue, [planned], resend_seconds=0.2, lease_seconds=20)
    complete = app.store.complete

    def counting_complete(instance_id: str, **arguments: Any) -> Any:
        done = complete(instance_id, **arguments)
        with lock:
            for one, outcome in zip(arguments["done"], done.outcomes, strict=True):
                committed[instance_id, one.node] += outcome == "COMMITTED"
        return done

    app.store.complete = counting_complete  # type: ignore[method-assign]

    def ended(id: str) -> bool:
        return app.status.of(id).status.terminal

    workflows = {}
    with Workers(app, queue, workers=4):
        for number in range(DAGS // 2):
            workflow = random_workflow(rng, number)
            submitted = app.submission.submit(json.dumps(workflow).encode(), None)
            nodes = workflow["dag"]["nodes"]
            parents[submitted.execution_id] = {node["id"]: node["dependencies"] for node in nodes}
            workflows[app.triggering.trigger(submitted.execution_id, b"", None).instance_id] = workflow
        for instance_id in workflows:
            wait_until(functools.partial(ended, instance_id), seconds=60, what=instance_id)
        before = {instance_id: app.status.of(instance_id) for instance_id in workflows}

    assert not early  # S1
    assert all(count == 1 for count in committed.values())  # S2
    for instance_id, workflow in workflows.items():
        view = before[instance_id]
        assert {id: node.status for id, node in view.nodes.items()} == expected(workflow)
        assert view.status == ("FAILED" if "FAILED" in expected(workflow).values() else "COMPLETED")
        check_invariants(client, instance_id)  # S4, S5
        assert app.status.of(instance_id) == view  # S3: late messages changed nothing
        for node in workflow["dag"]["nodes"]:
            if node["handler"] == "planned" and view.nodes[node["id"]].status == "COMPLETED":
                # L2: no lease was lost here, so a node ran once for each of its failures, and one more time.
                assert started[instance_id, node["id"]] == node["config"]["fails"] + 1
    app.redis.close()
    client.close()


def test_an_instance_whose_workflow_is_gone_ends_with_a_reason(valkey_url: str) -> None:
    queue = MemoryQueue()
    app = by_messages(application(valkey_url, queue))
    workflow = {"name": "gone", "dag": {"nodes": [{"id": "a", "handler": "noop", "dependencies": []}]}}
    instance_id = run(app, workflow)
    snapshot = some(app.store.snapshot(instance_id))
    client = redis.Redis.from_url(valkey_url)
    client.delete(keys.workflow(snapshot.execution_id))
    fresh = application(valkey_url, queue)
    drain(fresh, queue)
    snapshot = some(fresh.store.snapshot(instance_id))
    assert snapshot.status == "FAILED" and b"DefinitionGone" in some(snapshot.error)
    view = fresh.status.of(instance_id)
    assert view.status == "FAILED" and some(view.error).type == "DefinitionGone" and view.progress.cancelled == 1
    for closing in (client, app.redis, fresh.redis):
        closing.close()
