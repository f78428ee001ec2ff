"""Back-pressure on real servers: new instances are refused while the queue or the store is full; running ones go on."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from chalice.test import Client

import app as web
from benchmarks import overload
from chalicelib.composition import Application
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.sqs import SqsQueue
from chalicelib.settings import Settings
from chalicelib.states import InstanceStatus
from chalicelib.usecases.admission import FRESH_SECONDS
from local.mapping import EventSourceMapping
from tests.support.harness import application, by_messages, drain, wait_until
from tests.support.servers import QueuePair, running_valkey
from tests.support.stack import running_stack

NODES = [
    {"id": "a", "handler": "noop", "dependencies": []},
    {"id": "b", "handler": "output", "dependencies": ["a"]},
]
WORKFLOW = {"name": "w", "dag": {"nodes": NODES}}


class Api:
    """The HTTP interface of an application, with a clock that can be advanced."""

    def __init__(self, app: Application, http: Any) -> None:
        self.app = app
        self._http = http
        self._ahead = 0.0
        app.clock = lambda: time.monotonic() + self._ahead

    def later(self) -> None:
        """Make every earlier reading of the load too old."""
        self._ahead += FRESH_SECONDS

    def post(self, path: str, body: Any = None) -> Any:
        return self._http.post(path, body=b"" if body is None else json.dumps(body).encode())

    def get(self, path: str) -> Any:
        return self._http.get(path)

    def submit(self) -> str:
        return str(self.post("/api/workflow", WORKFLOW).json_body["execution_id"])

    def refused(self, path: str, word: str, body: Any = None) -> None:
        """Check that a POST is answered with a 503 that has the reason, and the time for a retry."""
        answer = self.post(path, body)
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "10", answer.body
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = json.loads(answer.body)
        assert problem["type"] == "/api/docs#problem-overloaded" and word in problem["detail"], problem


@contextlib.contextmanager
def api(app: Application, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr("chalicelib.composition.application", lambda: by_messages(app))
    with Client(web.app) as client:
        yield Api(app, client.http)
    app.redis.close()


@pytest.fixture
def alone(tmp_path: Any) -> Iterator[tuple[str, redis.Redis]]:
    """A Valkey for this test alone, whose memory it may limit."""
    with running_valkey(tmp_path) as port, contextlib.closing(redis.Redis(port=port)) as admin:
        yield f"redis://127.0.0.1:{port}/0", admin


def test_a_store_that_is_nearly_full(alone: tuple[str, redis.Redis], monkeypatch: pytest.MonkeyPatch) -> None:
    url, admin = alone
    queue = MemoryQueue()
    with api(application(url, queue), monkeypatch) as http:
        trigger = f"/api/workflow/trigger/{http.submit()}"
        instance_id = http.post(trigger).json_body["instance_id"]
        admin.set("ballast", bytes(32_000_000))  # so that a twentieth of it is enough for running instances
        keys = admin.dbsize()

        admin.config_set("maxmemory", int(admin.info("memory")["used_memory"] / 0.95))
        http.later()
        http.refused(trigger, "the store's memory is 9")
        http.refused("/api/workflow", "the store's memory is 9", WORKFLOW)
        assert admin.dbsize() == keys
        health = http.get("/api/health")
        assert health.status_code == 200 and health.json_body["status"] == "ok"
        assert "the store's memory is 9" in health.json_body["load"]

        drain(http.app, queue)
        status = http.get(f"/api/workflows/{instance_id}")
        assert status.status_code == 200 and status.json_body["status"] == "COMPLETED"

        admin.config_set("maxmemory", 0)
        http.later()
        assert http.post(trigger).status_code == 202
        assert http.get("/api/health").json_body["load"] == "ok"


def test_a_store_that_takes_nothing_more(alone: tuple[str, redis.Redis], monkeypatch: pytest.MonkeyPatch) -> None:
    """If the store fills up between two readings, Redis reports it, and admitted instances go on once there is room."""
    url, admin = alone
    queue = MemoryQueue()
    with api(application(url, queue, resend_seconds=0.1, lease_seconds=0.1), monkeypatch) as http:
        trigger = f"/api/workflow/trigger/{http.submit()}"
        instance_id = http.post(trigger).json_body["instance_id"]
        admin.config_set("maxmemory", 1)
        answer = http.post(trigger)
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
        assert json.loads(answer.body)["type"] == "/api/docs#problem-unavailable"
        assert http.get(f"/api/workflows/{instance_id}").status_code == 200
        body = queue.take()
        failed = http.app.worker.handle({"Records": [{"messageId": "m", "body": body[0]}]})
        assert failed == {"batchItemFailures": [{"itemIdentifier": "m"}]}

        admin.config_set("maxmemory", 0)

        def over() -> bool:
            http.app.sweep.run()
            drain(http.app, queue)
            return bool(http.app.status.of(instance_id).status is InstanceStatus.COMPLETED)

        wait_until(over, what="the end")


def test_a_queue_that_is_too_long(
    valkey_url: str, queue_urls: QueuePair, localstack_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(redis_url=valkey_url, queue_url=queue_urls.url, aws_endpoint_url=localstack_url, max_backlog=2)
    made = Application(settings)
    made.queue = SqsQueue(lambda: queue_urls.client, queue_urls.url)
    with api(made, monkeypatch) as http:
        trigger = f"/api/workflow/trigger/{http.submit()}"
        accepted = [http.post(trigger).json_body["instance_id"] for _ in range(3)]
        http.later()
        http.refused(trigger, "3 messages wait in the queue, and new instances start up to 2")
        assert http.get(f"/api/workflows/{accepted[0]}").json_body["status"] == "PENDING"
        assert http.post("/api/workflow", WORKFLOW).status_code == 201

        source = EventSourceMapping(queue_urls.client, queue_urls.url, made.worker.handle, wait_seconds=1)
        wait_until(lambda: source.poll() and queue_is_empty(made), what="a short queue")
        http.later()
        answer = http.post(trigger)
        assert answer.status_code == 202
        accepted.append(answer.json_body["instance_id"])

        def ended() -> bool:
            source.poll()
            return {made.store.status(instance_id) for instance_id in accepted} == {"COMPLETED"}

        wait_until(ended, what="COMPLETED")


def queue_is_empty(app: Application) -> bool:
    return app.queue.backlog() == 0


def test_a_sweep_that_is_behind(alone: tuple[str, redis.Redis], monkeypatch: pytest.MonkeyPatch) -> None:
    queue = MemoryQueue()
    # A store of its own, since what other tests leave behind may be late as well.
    made = application(alone[0], queue, max_late=2, late_seconds=0.01, resend_seconds=0.01)
    with api(made, monkeypatch) as http:
        trigger = f"/api/workflow/trigger/{http.submit()}"
        accepted = [http.post(trigger).json_body["instance_id"] for _ in range(3)]
        queue.take()  # lost: only the sweep will find it

        def refused() -> bool:
            http.later()
            return bool(http.post(trigger).status_code == 503)

        wait_until(refused, what="three late instances")
        http.refused(trigger, "the sweep has to catch up first")
        made.sweep.run()
        drain(made, queue)
        http.later()
        assert http.post(trigger).status_code == 202
        drain(made, queue)
        assert {made.store.status(instance_id) for instance_id in accepted} == {"COMPLETED"}


def test_many_instances_at_once(tmp_path: Any) -> None:
    """With two workers and 200 triggers at once, the API answers all the time, and every instance ends as it should."""
    with running_stack(tmp_path / "data", {"WORKERS": "2"}) as stack, ThreadPoolExecutor(12) as clients:
        execution_id = call(stack.url, "POST", "/api/workflow", overload.workflow())[1]["execution_id"]

        def trigger(_: int) -> tuple[int, Any]:
            return call(stack.url, "POST", f"/api/workflow/trigger/{execution_id}")

        triggers = [clients.submit(trigger, number) for number in range(200)]
        answers: Counter[int] = Counter()

        def all_over() -> bool:
            left = []
            for instance_id in running:
                code, view = call(stack.url, "GET", f"/api/workflows/{instance_id}")
                answers[code] += 1
                if view["status"] not in ("COMPLETED", "FAILED"):
                    left.append(instance_id)
                else:
                    ended[view["status"]] += 1
                    assert view["progress"]["completed"] == view["progress"]["total"] == overload.WIDTH + 2
            running[:] = left
            return not left

        accepted = [future.result() for future in triggers]
        assert {code for code, _ in accepted} == {202}
        running = [view["instance_id"] for _, view in accepted]
        ended: Counter[str] = Counter()
        wait_until(all_over, seconds=90, what="the end of all")
        assert ended == {"COMPLETED": 200} and set(answers) == {200}
        assert call(stack.url, "GET", "/api/health")[1]["load"] == "ok"


def call(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    with contextlib.closing(overload.Client(url)) as client:
        return client.call(method, path, body)[:2]
