"""Values at the edge can all be shown: cut within a character, half a surrogate pair, deep nesting, tiny timeouts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.composition import Application
from chalicelib.core import node_error, strictjson
from chalicelib.core.calls import Wanted
from chalicelib.handlers import Config, DoNotRetry, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.store import keys
from tests.support.harness import application, drain, results_of, run, wait_until

Make = Callable[..., tuple[Application, MemoryQueue]]
LONG = "a" + "é" * 300
HALF = "\udcff and \ud83d"
WRITTEN = "\\udcff and \\ud83d"


class Odd(Config):
    value: Any = None
    text: str = ""
    half: bool = False
    type: str = "ValueError"
    depth: int = 0


@handler("odd")
def odd(config: Odd) -> Any:
    """Raise an error, or return a list of lists."""
    if config.depth:
        return nested(config.depth)
    if config.text or config.half:
        raise type(config.type, (DoNotRetry,), {})(config.text or HALF)
    return config.value


@handler("long_type")
def long_type(config: Config) -> None:
    raise type("É" + "T" * 100_000, (DoNotRetry,), {})("broken")


@handler("waits")
def waits(config: Config) -> None:
    threading.Event().wait(20)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.fixture
def make(valkey_url: str) -> Iterator[Make]:
    applications: list[Application] = []

    def made(**settings: Any) -> tuple[Application, MemoryQueue]:
        queue = MemoryQueue()
        applications.append(application(valkey_url, queue, [odd, long_type, waits], **settings))
        return applications[-1], queue

    yield made
    for app in applications:
        app.redis.close()


def one(handler: str = "odd", **config: Any) -> dict[str, Any]:
    return {"name": "Odd", "dag": {"nodes": [{"id": "a", "handler": handler, "config": config}]}}


def shown(app: Application, instance_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the status and the history as they are over HTTP."""
    status = json.loads(app.status.of(instance_id).model_dump_json())
    history = json.loads(app.history.of(instance_id, node="a", limit=100, cursor=0).model_dump_json())
    json.loads(results_of(app, instance_id).model_dump_json())
    return status, history


def reason(history: dict[str, Any], event: str) -> str:
    [found] = [one["reason"] for one in history["events"] if one["event"] == event]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("text", [LONG, "é" * 300, "€" * 300, "a" + "😀" * 300, "x" * 199 + "😀😀", "x" * 300])
def test_an_error_is_cut_between_characters(make: Make, text: str) -> None:
    app, queue = make()
    instance_id = run(app, one(text=text))
    drain(app, queue)
    status, history = shown(app, instance_id)
    assert status["nodes"]["a"]["error"]["message"] == text
    assert reason(history, "failed") == f"ValueError: {text[:200]}"


def test_a_long_reason_is_cut_between_characters(make: Make) -> None:
    app, _ = make()
    instance_id = run(app, one())
    app.control.cancel(instance_id, json.dumps({"reason": LONG}).encode())
    status, history = shown(app, instance_id)
    assert status["error"]["message"] == LONG
    assert reason(history, "cancelled") == f"Cancelled: {LONG[:200]}"


def test_what_an_earlier_release_cut_within_a_character_is_shown(make: Make) -> None:
    app, _ = make()
    instance_id = run(app, one())
    app.control.cancel(instance_id, b"")
    entry = b'{"at":1700000000000,"event":"failed","node":0,"attempt":1,"reason":"E: a' + "é".encode()[:1] + b'"}'
    app.redis.rpush(keys.history(instance_id), entry)
    _, history = shown(app, instance_id)
    assert reason(history, "failed") == "E: a�"


def test_half_a_surrogate_pair_is_shown_by_its_escape(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, one(half=True))
    drain(app, queue)
    status, history = shown(app, instance_id)
    assert status["nodes"]["a"]["error"]["message"] == WRITTEN
    assert status["error"]["message"] == WRITTEN
    assert reason(history, "failed") == f"ValueError: {WRITTEN}"
    assert WRITTEN in history["why"]["a"]


def test_the_type_of_an_error_is_bounded(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, one("long_type"))
    drain(app, queue)
    status, history = shown(app, instance_id)
    found = status["nodes"]["a"]["error"]["type"]
    assert found == "É" + "T" * (node_error.MAX_TYPE - 1)
    assert reason(history, "failed") == f"{found}: broken"


def test_an_error_that_an_earlier_release_stored_as_it_was_is_shown(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, one(text="broken"))
    drain(app, queue)
    raw = json.dumps({"type": HALF + "T" * 100_000, "message": HALF, "traceback": HALF})
    app.redis.hset(keys.instance(instance_id)[4], "0", raw)
    status, history = shown(app, instance_id)
    assert status["nodes"]["a"]["error"]["message"] == status["error"]["message"] == WRITTEN
    assert status["nodes"]["a"]["error"]["traceback"] == WRITTEN
    assert len(status["error"]["type"]) == node_error.MAX_TYPE
    assert WRITTEN in history["why"]["a"]


def test_a_result_may_be_nested_so_deep_and_no_deeper(make: Make) -> None:
    app, queue = make()
    fits, too_deep = run(app, one(depth=strictjson.DEEPEST)), run(app, one(depth=strictjson.DEEPEST + 1))
    drain(app, queue)
    assert results_of(app, fits).results == {"a": nested(strictjson.DEEPEST)}
    shown(app, fits)
    status, _ = shown(app, too_deep)
    assert status["nodes"]["a"]["status"] == "FAILED"
    assert f"nested deeper than {strictjson.DEEPEST} levels" in status["nodes"]["a"]["error"]["message"]


def test_a_deep_result_of_an_earlier_release_is_answered_as_it_is_stored(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, one(value=1))
    drain(app, queue)
    stored = b"[" * 5000 + b"1e2" + b"]" * 5000
    app.redis.hset(keys.results(instance_id), "0", stored)
    text = app.results.of(instance_id)
    assert f'"output":{{"a":{stored.decode()}}},"results":{{"a":{stored.decode()}}}' in text


def test_a_template_cannot_nest_it_deeper(make: Make) -> None:
    """The result of a child has the same limit; in the middle of a string the value is text."""
    app, queue = make()
    nodes = [
        {"id": "a", "handler": "odd", "config": {"depth": strictjson.DEEPEST}},
        {"id": "b", "handler": "output", "dependencies": ["a"], "config": {"value": ["{{ a }}"]}},
        {"id": "c", "handler": "output", "dependencies": ["a"], "config": {"value": "got {{ a }}"}},
    ]
    instance_id = run(app, {"name": "Deep", "dag": {"nodes": nodes}})
    drain(app, queue)
    view = app.status.of(instance_id)
    assert view.nodes["b"].error is not None and "nested deeper" in view.nodes["b"].error.message
    assert view.nodes["c"].status == "COMPLETED"


@pytest.mark.parametrize("seconds", [0.0005, 0.0001, 1e-9, 5e-324])
def test_next_to_no_time_is_a_limit(make: Make, seconds: float) -> None:
    app, _ = make()
    instance_id = run(app, one() | {"timeout_seconds": seconds})
    assert int(app.redis.hget(keys.meta(instance_id), "timeout_ms") or 0) == 1
    wait_until(lambda: app.sweep.run() and app.status.of(instance_id).status == "FAILED", what="its end")
    error = app.status.of(instance_id).error
    assert error is not None and error.type == "TimedOut"


@pytest.mark.parametrize("seconds", [0.0005, 1e-9, 5e-324])
def test_a_node_that_has_next_to_no_time_times_out(make: Make, seconds: float) -> None:
    app, queue = make()
    workflow = one("waits")
    workflow["dag"]["nodes"][0]["timeout_seconds"] = seconds
    instance_id = run(app, workflow)
    drain(app, queue)
    error = app.status.of(instance_id).nodes["a"].error
    assert error is not None and error.type == "TimeoutError"


def test_a_backoff_of_next_to_nothing_is_a_retry(make: Make) -> None:
    app, queue = make()
    policy = {"max_attempts": 3, "initial_backoff_seconds": 5e-324, "max_backoff_seconds": 5e-324}
    workflow = one("waits")
    workflow["dag"]["nodes"][0] |= {"retry_policy": policy, "timeout_seconds": 1e-9}
    instance_id = run(app, workflow)

    def over() -> bool:
        drain(app, queue)
        return app.status.of(instance_id).status == "FAILED"

    wait_until(over, what="its end")
    assert app.status.of(instance_id).nodes["a"].attempt == 3


def test_the_largest_backoffs_do_not_overflow(make: Make) -> None:
    from chalicelib.core.retry import Retry

    policy = Retry(max_attempts=100, initial_backoff_seconds=86400, backoff_multiplier=1e308, max_backoff_seconds=86400)
    assert [policy.delay_ms(n, lambda low, high: high) for n in (1, 2, 99)] == [86_400_000] * 3


def test_a_wait_of_next_to_nothing_is_over_at_once(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, one(value=1))
    assert app.status.of(instance_id, 5e-324).status == "PENDING"
    app.store.wait_terminal(instance_id, 1e-7)
    claim = app.store.claim(instance_id, owner="me", lease_ms=1, wanted=[Wanted(0, 1, ())])
    assert claim.nodes[0].outcome == "CLAIMED"
    app.control.cancel(instance_id, b"")
    drain(app, queue)
