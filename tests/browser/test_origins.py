"""A page of another origin, in a real browser, tries to control the stack of the user who opens it."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from playwright.sync_api import Browser, Page

from tests.browser.service import Service
from tests.support.servers import client_of
from tests.support.stack import RunningStack, running_stack

WORKFLOW = {"name": "from another page", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}}
BODY = json.dumps(WORKFLOW)

# Each attack does what it can, waits until the browser is done with it, and reports what it saw.
FETCH = """async ([url, init]) => {
  try { const answer = await fetch(url, init); return [answer.type, answer.status, await answer.text()]; }
  catch (error) { return ["error", 0, String(error)]; }
}"""
BEACON = """([url, body]) => navigator.sendBeacon(url, body)"""
IMAGE = """(url) => new Promise((done) => {
  const image = new Image();
  image.referrerPolicy = "no-referrer";
  image.onload = image.onerror = () => done();
  image.src = url;
})"""
FORM = """([url, body]) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.name = "target";
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {method: "POST", action: url, enctype: "text/plain", target: "target"});
  const field = document.createElement("input");
  [field.name, field.value] = [body.slice(0, -1) + ',"tags":{"x":"', '"}}'];
  form.append(field);
  document.body.append(form);
  frame.onload = () => done();
  form.submit();
})"""


@contextlib.contextmanager
def site(host: str) -> Iterator[str]:
    """The origin of an empty page."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>another</title><body>")

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A page whose console is not watched, since the browser reports there what it blocked."""
    with browser.new_context() as context:
        context.set_default_timeout(10_000)
        yield context.new_page()


def submitted(service: Service) -> int:
    return len(service.call("workflow?name=from+another+page")["workflows"])


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1"])
def test_a_page_elsewhere_can_start_and_read_nothing(
    visitor: Page, service: Service, stack: RunningStack, host: str
) -> None:
    """`localhost` is another site to a browser, and another port of 127.0.0.1 is another origin."""
    execution_id = service.call("workflow", {**WORKFLOW, "name": "ours"})["execution_id"]
    simple = {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": "text/plain"}, "body": BODY}
    with site(host) as origin:
        visitor.goto(origin)
        assert visitor.evaluate(FETCH, [f"{service.url}/workflow", simple])[0] == "opaque"
        assert visitor.evaluate(FETCH, [f"{service.url}/workflow/trigger/{execution_id}", simple])[0] == "opaque"
        visitor.evaluate(BEACON, [f"{service.url}/workflow", BODY])
        visitor.evaluate(FORM, [f"{service.url}/workflow", BODY])
        as_json = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": BODY}
        assert visitor.evaluate(FETCH, [f"{service.url}/workflow", as_json])[0] == "error"
        assert visitor.evaluate(FETCH, [f"{service.url}/workflows", {}])[0] == "error"
        assert visitor.evaluate(FETCH, [f"{service.url}/workflow/{execution_id}", {"method": "DELETE"}])[0] == "error"
    assert submitted(service) == 0
    assert service.call(f"workflow/{execution_id}")["latest"] is None


def test_a_name_that_leads_here_serves_nothing(visitor: Page, stack: RunningStack) -> None:
    rebound = stack.url.replace("127.0.0.1", "evil.example")
    answer = visitor.goto(f"{rebound}/api/ui")
    assert answer and answer.status == 403 and "ALLOWED_HOSTS" in answer.text()
    assert visitor.evaluate(FETCH, ["/api/workflows", {}])[1] == 403
    assert visitor.evaluate(FETCH, ["/api/workflow", {"method": "POST", "body": BODY}])[1] == 403


def test_a_link_from_elsewhere_leads_to_the_page(visitor: Page, service: Service) -> None:
    with site("evil.example") as origin:
        visitor.goto(origin)
        visitor.evaluate(
            "url => { const a = document.createElement('a'); a.href = url; document.body.append(a); a.click(); }",
            service.page(),
        )
        visitor.wait_for_url(re.compile(re.escape(f"{service.url}/ui")))
        assert visitor.title().startswith("dag-service") or visitor.locator("h1").first.inner_text()


def test_a_page_that_is_named_may_do_it_all(browser: Browser, tmp_path: Path, visitor: Page) -> None:
    with site("evil.example") as origin, running_stack(tmp_path / "data", {"CORS_ORIGINS": origin}) as stack:
        url = f"{stack.url}/api"
        visitor.goto(origin)
        headers = {"Content-Type": "application/json", "Idempotency-Key": "k-1"}
        kind, status, text = visitor.evaluate(
            FETCH, [f"{url}/workflow", {"method": "POST", "headers": headers, "body": BODY}]
        )
        assert (kind, status) == ("cors", 201)
        execution_id = json.loads(text)["execution_id"]
        read = "async url => (await fetch(url)).headers.get('X-Request-Id')"
        assert visitor.evaluate(read, f"{url}/workflow/{execution_id}")
        kind, status, text = visitor.evaluate(FETCH, [f"{url}/workflows?statuss=x", {}])
        assert (kind, status) == ("cors", 422) and "did you mean" in text
        gone = visitor.evaluate(FETCH, [f"{url}/workflow/{execution_id}", {"method": "DELETE"}])
        assert gone[:2] == ["cors", 204]


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1"])
def test_a_page_elsewhere_cannot_drive_the_queues(visitor: Page, stack: RunningStack, host: str) -> None:
    endpoint = stack.exported("AWS_ENDPOINT_URL")
    sqs: Any = client_of(endpoint, "sqs")
    queue_url = sqs.create_queue(QueueName=f"probe-{host.replace('.', '-')}")["QueueUrl"]
    query = urlencode({"Action": "SendMessage", "QueueUrl": queue_url, "MessageBody": "x", "Version": "2012-11-05"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    simple = {"method": "POST", "mode": "no-cors", "headers": form, "body": query}

    def waiting() -> int:
        answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    with site(host) as origin:
        visitor.goto(origin)
        visitor.evaluate(FETCH, [f"{endpoint}/", simple])
        visitor.evaluate(FETCH, [f"{endpoint}/", {**simple, "referrerPolicy": "no-referrer"}])
        assert waiting() == 0, "by a POST"
        visitor.evaluate(FETCH, [f"{endpoint}/?{query}", {"mode": "no-cors"}])
        assert waiting() == 0, "by a GET"
        visitor.evaluate(IMAGE, f"{endpoint}/?{query}")
        assert waiting() == 0, "by an image"
        visitor.evaluate(IMAGE, f"{endpoint.replace('127.0.0.1', 'evil.example')}/?{query}")
        assert waiting() == 0, "by another name"
    with urllib.request.urlopen(f"{endpoint}/?{query}", timeout=10) as answer:  # so the probe itself works
        assert answer.status == 200
    assert waiting() == 1


def test_a_page_elsewhere_cannot_write_to_the_store(visitor: Page, stack: RunningStack) -> None:
    """The store closes the connection at the first word of HTTP that it knows, `POST` or `Host:`, before any body."""
    url = stack.exported("REDIS_URL")
    address = re.sub(r"^redis://([^/]*).*", r"http://\1/", url)
    command = "\r\nSET from-a-page 1\r\n"
    with site("evil.example") as origin, redis.Redis.from_url(url) as store:
        visitor.goto(origin)
        for method in ("POST", "PUT"):
            visitor.evaluate(FETCH, [address, {"method": method, "mode": "no-cors", "body": command}])
        visitor.evaluate(IMAGE, f"{address}?%0d%0aSET%20from-a-page%201%0d%0a")
        assert store.get("from-a-page") is None
