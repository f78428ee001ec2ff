"""The first hop: a trigger runs the instant nodes at the beginning of an instance, and leaves the rest to the queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.core import strictjson
from chalicelib.core.plan import Plan
from chalicelib.errors import Unavailable
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import decode
from chalicelib.values.protocol import Values
from tests.support.harness import Workers, application, drain, run, wait_until
from tests.support.invariants import check_invariants

Make = Callable[..., tuple[Application, MemoryQueue]]


@handler("waits", waits=True)
def waits(config: Config) -> None: ...


@handler("fails_once", instant=True)
def fails_once(config: Config, context: Context) -> int:
    if context.attempt == 1:
        raise ValueError("the first time")
    return context.attempt


class Token(Config):
    token: str


@handler("secretive", instant=True)
def secretive(config: Token) -> int:
    return len(config.token)


@pytest.fixture
def make(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("SECRET_TOKEN", "a secret of some length")
    made: list[Application] = []

    def build(**settings: Any) -> tuple[Application, MemoryQueue]:
        queue = MemoryQueue()
        app = application(valkey_url, queue, [waits, fails_once, secretive], first_hop_seconds=5, **settings)
        made.append(app)
        return app, queue

    yield build
    for app in made:
        app.redis.close()


def node(id: str, handler: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), **more}


def workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "w", "dag": {"nodes": list(nodes)}}


def sent(queue: MemoryQueue) -> list[int]:
    """Return the nodes that wait in the queue."""
    return sorted(ready.node for body in queue.bodies for ready in decode(body).nodes)


def finish(app: Application, queue: MemoryQueue, instance_id: str) -> None:
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"
    check_invariants(app.redis, instance_id)


DIAMOND = workflow(node("a", "input"), node("b", "noop", "a"), node("c", "noop", "a"), node("d", "output", "b", "c"))


def test_a_small_workflow_has_ended_when_its_trigger_answers(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, DIAMOND, {"x": 1})
    view = app.status.of(instance_id)
    assert view.status == "COMPLETED" and view.usage.messages == 0 and queue.bodies == []
    assert view.started_at is not None and view.finished_at is not None
    assert app.results.of_node(instance_id, "a").value == b'{"x":1}'
    check_invariants(app.redis, instance_id)


def test_what_waits_or_has_a_secret_is_sent(make: Make) -> None:
    app, queue = make()
    config = {"config": {"token": "{{ secrets.TOKEN }}"}}
    nodes = [node("a", "input"), node("b", "waits", "a"), node("c", "secretive", "a", **config), node("d", "noop", "a")]
    instance_id = run(app, workflow(*nodes, node("e", "waits"), node("f", "secretive", **config)))
    assert sent(queue) == [1, 2, 4, 5]
    statuses = {id: each.status for id, each in app.status.of(instance_id).nodes.items()}
    assert statuses == dict.fromkeys("ad", "COMPLETED") | dict.fromkeys("bcef", "PENDING")
    finish(app, queue, instance_id)


def test_a_setting_turns_it_off(make: Make, valkey_url: str) -> None:
    queue = MemoryQueue()
    app = application(valkey_url, queue, first_hop_seconds=0)
    instance_id = run(app, DIAMOND)
    assert sent(queue) == [0] and app.status.of(instance_id).status == "PENDING"
    finish(app, queue, instance_id)
    app.redis.close()


def chain(length: int) -> dict[str, Any]:
    return workflow(*(node(f"n{n}", "noop", *([f"n{n - 1}"] if n else [])) for n in range(length)))


def test_it_runs_a_hundred_nodes_at_most(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, chain(150))
    assert sent(queue) == [100] and app.status.of(instance_id).progress.completed == 100
    finish(app, queue, instance_id)
    wide = run(app, workflow(*(node(f"n{n}", "noop") for n in range(150))))
    assert sent(queue) == list(range(100, 150))
    finish(app, queue, wide)
    wide = run(app, workflow(node("a", "noop"), *(node(f"n{n}", "noop", "a") for n in range(150))))
    assert sent(queue) == list(range(100, 151))
    finish(app, queue, wide)


def test_it_ends_with_its_time(make: Make) -> None:
    app, queue = make()
    times = iter(range(10**6))
    app.clock = lambda: next(times) * 1.0  # each reading of the clock takes a second
    instance_id = run(app, chain(20))
    [waiting] = sent(queue)
    assert 1 <= waiting < 10
    app.clock = lambda: next(times) * 1e-6
    finish(app, queue, instance_id)


def away(*_: Any, **__: Any) -> Any:
    raise Unavailable("away")


def test_a_claim_that_fails_leaves_the_roots_to_the_queue(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app, queue = make()
    with monkeypatch.context() as patch:
        patch.setattr(app.store, "claim", away)
        instance_id = run(app, DIAMOND)
    assert sent(queue) == [0]
    finish(app, queue, instance_id)


def test_a_commit_that_fails_is_no_failure_of_the_trigger(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has lost its lease, and the sweep sends its next attempt."""
    app, queue = make(lease_seconds=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(app.store, "complete", away)
        instance_id = run(app, DIAMOND)
    assert queue.bodies == [] and app.status.of(instance_id).nodes["a"].status == "RUNNING"
    for _ in range(100):
        if app.sweep.run().nodes:
            break
    assert sent(queue) == [0]
    finish(app, queue, instance_id)
    assert app.status.of(instance_id).nodes["a"].attempt == 2


def test_a_repeated_trigger_runs_nothing_again(make: Make) -> None:
    app, queue = make()
    submitted = app.submission.submit(b'{"name": "w", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}}', None)
    key = ids.new("key")
    first = app.triggering.trigger(submitted.execution_id, b"", key)
    again = app.triggering.trigger(submitted.execution_id, b"", key)
    assert first == again
    drain(app, queue)
    view = app.status.of(first.instance_id)
    assert view.status == "COMPLETED" and view.nodes["a"].attempt == 1


def test_a_retry_is_not_waited_for(make: Make) -> None:
    """The trigger answers; the queue brings the next attempt."""
    app, queue = make()
    app.uniform = lambda a, b: b
    instance_id = run(
        app, workflow(node("a", "fails_once", retry_policy={"max_attempts": 2, "initial_backoff_seconds": 1}))
    )
    assert sent(queue) == [0] and app.status.of(instance_id).nodes["a"].status == "PENDING"
    finish(app, queue, instance_id)


@pytest.mark.parametrize("scheduling", ["inline", "lambda"])
def test_whoever_sends_what_it_leaves(make: Make, scheduling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, queue = make(scheduling=scheduling)
    if scheduling == "lambda":
        monkeypatch.setattr(app.dispatch._invoker, "invoke", lambda instance_id: app.scheduler.run(instance_id))  # type: ignore[attr-defined]
    instance_id = run(app, workflow(node("a", "input"), node("b", "waits", "a"), node("c", "waits")))
    assert sent(queue) == [1, 2]
    finish(app, queue, instance_id)


def test_workers_of_the_same_process_commit_none_of_its_nodes(make: Make) -> None:
    """A thread commits for others. What it made ready would be nobody's to send, and wait for the sweep."""
    app, queue = make()
    nodes = [node("a", "input"), *(node(f"b{n}", "noop", "a") for n in range(3)), node("c", "waits", "b0", "b1", "b2")]
    execution_id = app.submission.submit(
        json.dumps(workflow(*nodes, node("d", "noop", "c"))).encode(), None
    ).execution_id
    with Workers(app, queue, workers=2, sweep_seconds=3600), ThreadPoolExecutor(8) as clients:
        triggers = [clients.submit(app.triggering.trigger, execution_id, b"", None) for _ in range(100)]
        ids = [future.result().instance_id for future in triggers]
        wait_until(lambda: all(app.store.status(id) == "COMPLETED" for id in ids), seconds=20, what="the ends of all")
    for id in ids:
        check_invariants(app.redis, id)


def test_a_trigger_that_waits_too_long_for_its_turn_leaves_it_to_the_queue(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.worker.first_hop.PATIENCE", 0.01)
    app, queue = make()
    plan = Plan.from_json(json.dumps(DIAMOND).encode())
    with app.first_hop.turn(plan, plan.roots, b"{}"):
        instance_id = run(app, DIAMOND)
    assert sent(queue) == [0]
    finish(app, queue, instance_id)


class Unwritable:
    """Storage of large results that the process of a trigger may not write to."""

    def __init__(self, values: Values) -> None:
        self._values, self.is_worker = values, False

    def put(self, key: str, value: bytes) -> None:
        assert self.is_worker, "the API function has no permission for it"
        self._values.put(key, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._values, name)


LINE = {"line": "x" * 50}


@pytest.mark.parametrize(
    ("params", "config", "left"),
    [
        ({"text": "x" * 2000}, {}, [0]),
        ({}, {"text": "x" * 2000}, [0]),
        (LINE, {"lines": ["{{ params.line }}"] * 30}, [0]),
        ({}, {"text": "x" * 600}, [1]),
        (LINE, {}, []),
    ],
    ids=["large params", "a large config", "many templates", "two large results in one", "nothing large"],
)
def test_only_a_worker_stores_large_results(
    make: Make, tmp_path: Path, params: Any, config: Any, left: list[int]
) -> None:
    app, queue = make(values_url=tmp_path.as_uri(), large_result_bytes=1000)
    guard = app.offload._values = Unwritable(app.offload._values)
    twice = {"value": ["{{ a }}", "{{ a }}"]}
    instance_id = run(app, workflow(node("a", "input", config=config), node("b", "output", "a", config=twice)), params)
    assert sent(queue) == left
    guard.is_worker = True
    finish(app, queue, instance_id)
    assert {each.attempt for each in app.status.of(instance_id).nodes.values()} == {1}
    assert any(file.is_file() for file in tmp_path.rglob("*")) == bool(left)


@handler("grows", instant=True)
def grows(config: Config) -> str:
    return "x" * 20_000


@pytest.mark.parametrize("most", [10_000, 100_000])
def test_a_result_that_is_larger_than_foreseen(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """The store takes it, up to a limit. Beyond that, the attempt is lost, and a worker makes the next one."""
    monkeypatch.setattr("chalicelib.worker.node_runner.MOST_IN_PLACE", most)
    app, queue = make(values_url=tmp_path.as_uri(), large_result_bytes=1000, lease_seconds=0.01)
    app.handlers["grows"] = grows
    guard = app.offload._values = Unwritable(app.offload._values)
    instance_id = run(app, workflow(node("a", "grows")))
    assert queue.bodies == [] and (app.status.of(instance_id).status == "COMPLETED") == (most > 20_000)
    guard.is_worker = True
    if most < 20_000:
        wait_until(lambda: app.sweep.run().nodes, what="the sweep that finds the lost lease")
    finish(app, queue, instance_id)
    assert app.status.of(instance_id).nodes["a"].attempt == (1 if most > 20_000 else 2)
    assert app.results.of_node(instance_id, "a").value == strictjson.dumps("x" * 20_000).encode()
