"""Once an instance has ended, its webhook is called, signed, queued and retried; the status shows the delivery."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

import pytest
from chalice.test import Client

import app as web
from chalicelib import composition, ids
from chalicelib.composition import Application
from chalicelib.core.calls import Wanted
from chalicelib.core.transitions import Outcome
from chalicelib.errors import NotFound, Unavailable
from chalicelib.handlers import Config, DoNotRetry, handler
from chalicelib.metrics.metered import CallCounts, MeteredStore
from chalicelib.metrics.protocol import Off
from chalicelib.models.views import WebhookView
from chalicelib.queues.memory import MemoryQueue
from chalicelib.states import InstanceStatus
from chalicelib.store import keys
from chalicelib.store.protocol import Store
from chalicelib.usecases.listing import Filter
from scheduler.dead_letters import DeadLetters
from tests.support.harness import application, by_messages, drain, results_of, run, sqs_event, wait_until
from tests.support.invariants import check_invariants

KEY = b"a key of 24 bytes, or so"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
broken: set[str] = set()

Make = Callable[..., tuple[Application, MemoryQueue]]


class Receiver(BaseHTTPRequestHandler):
    """A server that records what it receives, and answers with the next of `statuses`, then with 204."""

    got: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    statuses: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.statuses.pop(0) if self.statuses else 204)
        self.send_header("Content-Length", "0")
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Counted(Off):
    """Counts instances that began and ended, as metrics do."""

    def __init__(self) -> None:
        self.begun = 0
        self.over: list[str] = []

    def started(self) -> None:
        self.begun += 1

    def ended(self, instance_id: str, status: str) -> None:
        self.over.append(instance_id)


@handler("step")
def step(config: Config) -> str:
    if broken:
        raise DoNotRetry("broken")
    return "result"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}/hook?a=b"
        made.shutdown()


@pytest.fixture
def make(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    applications: list[Application] = []
    monkeypatch.setenv("SECRET_HOOK", SECRET)

    def made(**settings: Any) -> tuple[Application, MemoryQueue]:
        queue = MemoryQueue()
        settings = {"allow_private_addresses": True, **settings}
        applications.append(by_messages(application(valkey_url, queue, [step], **settings)))
        applications[-1].uniform = lambda a, b: a  # retries at once
        return applications[-1], queue

    for state in (broken, Receiver.got, Receiver.statuses):
        state.clear()
    yield made
    for app in applications:
        app.redis.close()


def workflow(url: str, **more: Any) -> dict[str, Any]:
    node = {"id": "a", "handler": "step"}
    return {"name": "Told", "dag": {"nodes": [node]}, "webhook": {"url": url, "secret": "HOOK"}, **more}


def told(app: Application, instance_id: str) -> WebhookView:
    view = app.status.of(instance_id).webhook
    assert view is not None
    assert app.control._view(app.resolver.ref(instance_id)).webhook == view
    return view


def test_it_is_called_signed_with_what_happened(make: Make, server: str) -> None:
    app, queue = make()
    submitted = app.submission.submit(json.dumps(workflow(server, tags={"team": "a"})).encode(), None)
    instance_id = app.triggering.trigger(submitted.execution_id, b"", None).instance_id
    assert told(app, instance_id) == WebhookView(status="PENDING")
    drain(app, queue)
    status = app.status.of(instance_id)
    [(headers, body)] = Receiver.got
    assert json.loads(body) == {
        "type": "instance.completed",
        "timestamp": status.finished_at,
        "data": {
            "instance_id": instance_id,
            "execution_id": submitted.execution_id,
            "name": "Told",
            "status": "COMPLETED",
            "epoch": 1,
            "tags": {"team": "a"},
            "created_at": status.created_at,
            "finished_at": status.finished_at,
            "error": None,
        },
    }
    id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    digest = hmac.new(KEY, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["content-type"] == "application/json"
    view = told(app, instance_id)
    assert (view.status, view.attempts, view.last_error) == ("DELIVERED", 1, None) and view.delivered_at is not None
    assert not queue.bodies and app.scheduler.run(instance_id).nodes == 0
    check_invariants(app.redis, instance_id)
    check_invariants(app.redis, ids.delivery(instance_id, 1))


def test_it_is_tried_again_until_it_is_taken(make: Make, server: str) -> None:
    app, queue = make()
    Receiver.statuses += [500, 301, 404]
    instance_id = run(app, workflow(server))
    for attempts in (0, 1, 2, 3):
        app.worker.handle(sqs_event(queue.take()))
        view = told(app, instance_id)
        assert (view.status, view.attempts) == ("PENDING", attempts)
        if attempts:
            assert view.last_error is not None and str([500, 301, 404][attempts - 1]) in view.last_error.message
    drain(app, queue)
    view = told(app, instance_id)
    assert (view.status, view.attempts, view.last_error) == ("DELIVERED", 4, None)
    first, *others = Receiver.got
    assert all((headers["webhook-id"], body) == (first[0]["webhook-id"], first[1]) for headers, body in others)


@pytest.mark.parametrize(
    ("status", "attempts", "secret", "why"),
    [(410, 1, SECRET, "answered 410"), (503, 12, SECRET, "answered 503"), (200, 1, "whsec_?", "not base64")],
)
def test_it_is_given_up(
    make: Make, server: str, monkeypatch: pytest.MonkeyPatch, status: int, attempts: int, secret: str, why: str
) -> None:
    monkeypatch.setenv("SECRET_HOOK", secret)
    app, queue = make()
    Receiver.statuses += [status] * 20
    instance_id = run(app, workflow(server))
    drain(app, queue)
    view = told(app, instance_id)
    assert (view.status, view.attempts, view.delivered_at) == ("FAILED", attempts, None)
    assert view.last_error is not None and why in view.last_error.message
    assert app.status.of(instance_id).status == "COMPLETED"


def test_its_secret_is_read_by_the_worker_alone_and_stored_nowhere(make: Make, server: str, caplog: Any) -> None:
    app, queue = make()
    instance_id = run(app, workflow(server))
    drain(app, queue)
    call = ids.delivery(instance_id, 1)
    stored = [app.redis.dump(name) for name in keys.instance(instance_id)[:9] + keys.instance(call)[:9]]
    assert all(SECRET.encode() not in (dump or b"") for dump in stored) and SECRET not in caplog.text
    nowhere = run(app, workflow(server) | {"webhook": {"url": server, "secret": "NOWHERE"}})
    drain(app, queue)
    view = told(app, nowhere)
    assert view.status == "FAILED" and view.last_error is not None and "SECRET_NOWHERE" in view.last_error.message
    unsigned = run(app, workflow(server) | {"webhook": {"url": server}})
    drain(app, queue)
    assert told(app, unsigned).status == "DELIVERED" and "webhook-signature" not in Receiver.got[-1][0]


def test_it_goes_nowhere_that_a_call_may_not(make: Make, server: str) -> None:
    app, queue = make(allow_private_addresses=False)
    instance_id = run(app, workflow(server))
    drain(app, queue)
    view = told(app, instance_id)
    assert view.status == "FAILED" and not Receiver.got
    assert view.last_error is not None and view.last_error.type == "RefusedAddress"


def ended_by_failure(app: Application, queue: MemoryQueue, server: str) -> str:
    broken.add("a")
    instance_id = run(app, workflow(server))
    drain(app, queue)
    return instance_id


def ended_by_cancel(app: Application, queue: MemoryQueue, server: str) -> str:
    instance_id = run(app, workflow(server))
    queue.take()
    app.control.cancel(instance_id, b'{"reason": "no need"}')
    return instance_id


def ended_by_time(app: Application, queue: MemoryQueue, server: str) -> str:
    instance_id = run(app, workflow(server, timeout_seconds=0.05))
    queue.take()
    wait_until(lambda: app.scheduler.run(instance_id) and app.store.status(instance_id) == "FAILED")
    return instance_id


def ended_by_lost_leases(app: Application, queue: MemoryQueue, server: str) -> str:
    instance_id = run(app, workflow(server))
    for attempt in range(1, app.settings.max_lost + 1):
        queue.take()
        app.store.claim(instance_id, owner="dead", lease_ms=0, wanted=[Wanted(0, attempt, ())])
        wait_until(lambda: app.scheduler.run(instance_id).nodes)
    return instance_id


def ended_by_dead_letters(app: Application, queue: MemoryQueue, server: str) -> str:
    instance_id = run(app, workflow(server))
    letters: DeadLetters = app.dead_letters
    for _ in range(app.settings.max_lost):
        letters.handle(sqs_event(queue.take()))
    return instance_id


@pytest.mark.parametrize(
    "end", [ended_by_failure, ended_by_cancel, ended_by_time, ended_by_lost_leases, ended_by_dead_letters]
)
def test_every_end_is_told_at_once(make: Make, server: str, end: Callable[..., str]) -> None:
    app, queue = make(max_lost=2)
    instance_id = end(app, queue, server)
    drain(app, queue)  # without a sweep
    view = app.status.of(instance_id)
    [(_, body)] = Receiver.got
    said = json.loads(body)
    assert said["type"] == f"instance.{view.status.lower()}" and view.status in ("FAILED", "CANCELLED")
    assert view.error is not None
    assert said["data"]["error"] == view.error.model_dump(exclude={"traceback"})
    assert told(app, instance_id).status == "DELIVERED"


def test_a_rerun_tells_again(make: Make, server: str) -> None:
    app, queue = make()
    instance_id = ended_by_failure(app, queue, server)
    broken.clear()
    app.control.rerun(instance_id, b"", None)
    assert told(app, instance_id).status == "PENDING"
    drain(app, queue)
    types = [(json.loads(body)["type"], json.loads(body)["data"]["epoch"]) for _, body in Receiver.got]
    assert types == [("instance.failed", 1), ("instance.completed", 2)]
    assert len({headers["webhook-id"] for headers, _ in Receiver.got}) == 2
    assert told(app, instance_id).status == "DELIVERED"


def test_what_could_not_be_begun_at_once_is_the_sweeps(make: Make, server: str) -> None:
    app, queue = make(resend_seconds=0.05)
    create, failing = app.store.create, [True]

    def away(ref: Any, **named: Any) -> Any:
        if ref.execution_id.startswith("webhook") and failing:
            raise Unavailable("away")
        return create(ref, **named)

    app.store.create = away  # type: ignore[method-assign]
    instance_id = run(app, workflow(server))
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED" and not Receiver.got
    failing.clear()
    wait_until(lambda: app.sweep.run() and queue.bodies, what="the sweep that begins it")
    app.webhooks.tell(instance_id)  # another process, at the same time
    # The sweep meets instances of other tests, too.
    assert len({body for body in queue.bodies if ids.delivery(instance_id, 1) in body}) == 1
    drain(app, queue)
    assert len(Receiver.got) == 1 and told(app, instance_id).status == "DELIVERED"
    assert app.store.clear_outbox(instance_id, epoch=1) is Outcome.SUPERSEDED


def test_a_call_is_no_instance_of_anybody(make: Make, server: str) -> None:
    app, queue = make()
    counted = Counted()
    app.store = cast(Store, MeteredStore(app.store, counted, CallCounts()))
    before = app.listings.instances(Filter(), limit=1, cursor=None).counts
    instance_id = run(app, workflow(server))
    drain(app, queue)
    assert (counted.begun, counted.over) == (1, [instance_id])
    call = ids.delivery(instance_id, 1)
    page = app.listings.instances(Filter(), limit=200, cursor=None)
    assert page.counts[InstanceStatus.COMPLETED] == before[InstanceStatus.COMPLETED] + 1
    listed = [one.instance_id for one in page.instances]
    assert instance_id in listed and call not in listed
    for ask in (app.status.of, app.results.of, lambda id: app.control.cancel(id, b""), app.control.delete):
        with pytest.raises(NotFound):
            ask(call)
    for execution_id in ("webhook", "webhook:HOOK"):
        with pytest.raises(NotFound):
            app.triggering.trigger(execution_id, b'{"params": {"url": "http://127.0.0.1/", "body": 1}}', None)
    app.control.delete(instance_id)
    assert app.redis.exists(*keys.instance(call)[:9]) == 0


def test_a_deleted_workflow_takes_its_webhook_along(make: Make, server: str) -> None:
    app, queue = make()
    instance_id = run(app, workflow(server))
    app.control.delete(app.status.of(instance_id).execution_id)
    other, _ = make()  # a process that has never seen it
    drain_into(other, queue)
    other.scheduler.run(instance_id)
    assert other.store.status(instance_id) == "FAILED" and not Receiver.got
    assert app.store.clear_outbox(instance_id, epoch=1) is Outcome.SUPERSEDED


def drain_into(app: Application, queue: MemoryQueue) -> None:
    app.queue = queue
    drain(app, queue)


def test_as_a_node_it_signs_whatever_it_is_given(make: Make, server: str) -> None:
    """A secret that is no `whsec_...` is the key itself."""
    app, queue = make()
    config = {"url": server, "body": {"x": "{{ params.x }}"}, "secret": "{{ params.secret }}"}
    nodes = [{"id": "call", "handler": "webhook", "config": config}]
    instance_id = run(app, {"name": "Signed", "dag": {"nodes": nodes}}, {"x": 1, "secret": "plain"})
    drain(app, queue)
    assert results_of(app, instance_id).output == {"call": {"status": 204}}
    [(headers, body)] = Receiver.got
    content = f"{instance_id}/call.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"plain", content, hashlib.sha256).digest()
    assert body == b'{"x":1}' and headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_over_http(make: Make, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, queue = make(scheduling="inline")
    monkeypatch.setattr(composition, "application", lambda: app)
    with Client(web.app) as client:
        submitted = client.http.post("/api/workflow", body=json.dumps(workflow(server)).encode()).json_body
        triggered = client.http.post(f"/api/workflow/trigger/{submitted['execution_id']}").json_body
        drain(app, queue)
        status = client.http.get(f"/api/workflows/{triggered['instance_id']}?nodes=false").json_body
        assert status["webhook"]["status"] == "DELIVERED" and status["webhook"]["attempts"] == 1
        bad = workflow("ftp://x") | {"dag": {"nodes": [{"id": "a", "handler": "noop"}]}}
        refused = client.http.post("/api/workflow", body=json.dumps(bad).encode())
        assert refused.status_code == 422 and refused.json_body["errors"][0]["pointer"] == "/webhook/url"
