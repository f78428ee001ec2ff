"""`POST /api/workflow/trigger/{execution_id}?wait=`: the answer has the output of an instance that ends in time."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse

import app as web
from chalicelib import composition, ids
from chalicelib.handlers import Config, handler
from chalicelib.models.views import Finished
from chalicelib.queues.memory import MemoryQueue
from tests.support.harness import QueuedApplication, Workers, application, drain, wait_until


@handler("fails", instant=True)
def fails(config: Config) -> None:
    raise ValueError("no luck")


class Service:
    """The routes on a real store. `calls` are the round trips to it."""

    def __init__(self, app: QueuedApplication, client: Client) -> None:
        self.app, self._client = app, client
        self.calls: list[str] = []
        for name in ("execute_command", "pipeline"):
            setattr(app.redis, name, self._counted(getattr(app.redis, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls.append(str(arguments[0]) if arguments else "pipeline")
            return call(*arguments, **options)

        return counted

    def submit(self, *nodes: dict[str, Any]) -> str:
        document = json.dumps({"name": "w", "dag": {"nodes": nodes}}).encode()
        return self.app.submission.submit(document, None).execution_id

    def trigger(self, execution_id: str, query: str = "?wait=20", key: str | None = None) -> HTTPResponse:
        headers = {"Idempotency-Key": key} if key else {}
        body = b'{"params": {"x": 1}}'
        return self._client.http.post(f"/api/workflow/trigger/{execution_id}{query}", headers=headers, body=body)

    def get(self, path: str) -> Any:
        return self._client.http.get(f"/api/workflows/{path}").json_body

    def later(self, act: Callable[[], object]) -> threading.Thread:
        """Call `act` from another thread as soon as a client waits."""

        def run() -> None:
            wait_until(lambda: self.app.redis.info("clients")["blocked_clients"], what="a client that waits")
            act()

        thread = threading.Thread(target=run)
        thread.start()
        return thread


@pytest.fixture
def make(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Service]]:
    made: list[QueuedApplication] = []
    with Client(web.app) as client:

        def build(**settings: Any) -> Service:
            app = application(valkey_url, MemoryQueue(), [fails], **settings)
            made.append(app)
            monkeypatch.setattr(composition, "application", lambda: app)
            return Service(app, client)

        yield build
    for app in made:
        app.redis.close()


def node(id: str, handler: str, *dependencies: str, **config: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), "config": config}


PAIR = (node("a", "input"), node("b", "output", "a", value={"x": "{{ a.x }}", "pi": 3.1400}))


def finished(response: HTTPResponse) -> dict[str, Any]:
    assert response.status_code == 200, response.body
    Finished.model_validate_json(response.body)
    found: dict[str, Any] = response.json_body
    assert response.headers["Location"] == f"/api/workflows/{found['instance_id']}"
    return found


def test_the_answer_is_the_end_of_the_instance(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=0)
    execution_id = service.submit(*PAIR)
    with Workers(service.app, service.app.queue, workers=1):
        found = finished(service.trigger(execution_id))
    status, results = service.get(found["instance_id"]), service.get(f"{found['instance_id']}/results")
    names = ("instance_id", "execution_id", "status", "created_at", "finished_at", "error")
    assert found == {name: status[name] for name in names} | {"output": results["output"], "large": {}}
    assert found["status"] == "COMPLETED" and found["output"] == {"x": 1, "pi": 3.14}


def test_an_instance_that_ended_with_its_trigger_costs_two_reads_more(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=5)
    execution_id = service.submit(*PAIR)
    service.trigger(execution_id)  # loads the scripts
    service.calls.clear()
    assert service.trigger(execution_id, "").status_code == 202
    plain = list(service.calls)
    service.calls.clear()
    found = finished(service.trigger(execution_id))
    assert found["output"] == {"x": 1, "pi": 3.14}
    assert service.calls[: len(plain)] == plain
    assert service.calls[len(plain) :] == ["EVALSHA", "HMGET"]
    service.calls.clear()
    service.get(f"{found['instance_id']}?nodes=false")
    assert len(service.calls) == 2, "as many as of a status"


def test_without_a_wait_nothing_is_read(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=0)
    execution_id = service.submit(*PAIR)
    plain, zero = service.trigger(execution_id, ""), service.trigger(execution_id, "?wait=0")
    assert plain.status_code == zero.status_code == 202
    assert plain.json_body.keys() == zero.json_body.keys() == {"instance_id", "execution_id", "status", "created_at"}
    assert "BLMOVE" not in service.calls


def test_a_key_gets_the_same_instance_now_that_it_has_ended(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=0)
    execution_id, key = service.submit(*PAIR), ids.new("key")
    first = service.trigger(execution_id, "?wait=0.05", key)
    assert first.status_code == 202 and first.json_body["status"] == "PENDING"
    drain(service.app, service.app.queue)
    again = finished(service.trigger(execution_id, key=key))
    assert again["output"] == {"x": 1, "pi": 3.14}
    assert {name: again[name] for name in ("instance_id", "created_at")} == {
        name: first.json_body[name] for name in ("instance_id", "created_at")
    }
    assert service.trigger(execution_id, "", key).body == first.body, "without a wait it is what it was"


def test_a_paused_instance_is_waited_for_in_vain(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=0)
    execution_id, key = service.submit(*PAIR), ids.new("key")
    instance_id = service.trigger(execution_id, "", key).json_body["instance_id"]
    service.app.control.pause(instance_id)
    with Workers(service.app, service.app.queue, workers=1):
        begun = time.monotonic()
        paused = service.trigger(execution_id, "?wait=0.3", key)
        assert paused.status_code == 202 and paused.json_body["instance_id"] == instance_id
        assert time.monotonic() - begun >= 0.3
        resuming = service.later(lambda: service.app.control.resume(instance_id))
        assert finished(service.trigger(execution_id, key=key))["status"] == "COMPLETED"
        resuming.join()


def test_a_failed_instance_has_its_error(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=5)
    found = finished(service.trigger(service.submit(node("a", "input"), node("b", "fails", "a"))))
    assert found["status"] == "FAILED" and found["output"] == {}
    error = service.get(found["instance_id"])["error"]
    assert found["error"] == error and (error["node"], error["message"]) == ("b", "no luck")


def test_a_cancelled_instance_ends_the_wait(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=0)
    execution_id, key = service.submit(*PAIR), ids.new("key")
    instance_id = service.trigger(execution_id, "", key).json_body["instance_id"]
    cancelling = service.later(lambda: service.app.control.cancel(instance_id, b'{"reason": "enough"}'))
    found = finished(service.trigger(execution_id, key=key))
    cancelling.join()
    assert found["status"] == "CANCELLED" and found["output"] is None
    assert found["error"] == service.get(instance_id)["error"] and "enough" in found["error"]["message"]


def test_an_output_without_room_is_linked_as_in_the_results(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=5, max_answer_bytes=500)
    big = node("b", "output", "a", value="y" * 600)
    found = finished(service.trigger(service.submit(node("a", "input"), big)))
    results = service.get(f"{found['instance_id']}/results")
    assert found["output"] is None and results["output"] is None
    value = json.dumps("y" * 600).encode()
    href = f"/api/workflows/{found['instance_id']}/results/b"
    assert found["large"] == {"b": {"bytes": 602, "sha256": hashlib.sha256(value).hexdigest(), "href": href}}
    assert found["large"] == results["large"]
    some = finished(service.trigger(service.submit(big | {"dependencies": []}, node("c", "output", value="z" * 400))))
    assert some["output"] == {"c": "z" * 400} and list(some["large"]) == ["b"], "it is in the answer only once"


def test_what_is_deleted_meanwhile(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=0)
    execution_id, key = service.submit(*PAIR), ids.new("key")
    instance_id = service.trigger(execution_id, "", key).json_body["instance_id"]

    def end() -> None:
        service.app.control.delete(execution_id)
        drain(service.app, service.app.queue)

    ending = service.later(end)
    found = finished(service.trigger(execution_id, key=key))
    ending.join()
    assert found["status"] == service.get(instance_id)["status"]


def test_the_prefix_of_the_stage_is_in_links(make: Callable[..., Service]) -> None:
    service = make(first_hop_seconds=5, max_answer_bytes=10)
    execution_id = service.submit(node("a", "output", value="y" * 60))
    path = f"/dev/api/workflow/trigger/{execution_id}"
    event = {
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": "/api/workflow/trigger/{execution_id}",
            "path": path,
        },
        "headers": {},
        "pathParameters": {"execution_id": execution_id},
        "multiValueQueryStringParameters": {"wait": ["5"]},
        "stageVariables": None,
        "body": None,
    }
    answer = web.app(event, None)
    found = json.loads(answer["body"])
    assert answer["statusCode"] == 200 and answer["headers"]["Location"].startswith("/dev/api/workflows/in-")
    assert found["large"]["a"]["href"] == f"/dev/api/workflows/{found['instance_id']}/results/a"
