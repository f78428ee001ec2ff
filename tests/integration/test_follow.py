"""One instance is followed through every process, by the log alone and by its trace."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib import logs
from chalicelib.composition import Application
from chalicelib.core.handler import Handler
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.handlers.api import Config, Context, handler
from chalicelib.invocation import Invocation
from chalicelib.queues.invoker import LambdaInvoker
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import carrier
from chalicelib.queues.sqs import SqsQueue
from local.mapping import EventSourceMapping
from local.processes import ROOT
from tests.support.collector import Collector, Received, collecting
from tests.support.harness import application, by_messages, drain, run, wait_until
from tests.support.servers import QueuePair
from tests.support.stack import RunningStack, running_stack

CLIENT_TRACE, CLIENT_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NONE = Invocation(None, None)
CLIENT = f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"


class Flaky(BaseHTTPRequestHandler):
    """A service that fails at first; `seen` has the traceparent of each request."""

    seen: list[str | None]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("traceparent"))
        body = b'{"fine": true}'
        self.send_response(200 if len(self.seen) > 1 else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return None


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[RunningStack]:
    settings = {
        "WORKERS": "2",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        "TRACING": "otlp",
        "OTEL_SERVICE_NAME": "under-test",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    with running_stack(tmp_path_factory.mktemp("follow"), settings) as running:
        yield running


class Run:
    """A run of input -> flaky -> output, where flaky needs two attempts."""

    def __init__(self, stack: RunningStack, collector: Collector) -> None:
        self._stack = stack
        self._collector = collector
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Service", (Flaky,), {"seen": []}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        retry = {"max_attempts": 2, "initial_backoff_seconds": 0.1}
        flaky = {"handler": "call_external_service", "dependencies": ["input"], "retry_policy": retry}
        flaky["config"] = {"url": f"http://127.0.0.1:{server.server_port}/{{{{ input.path }}}}"}
        nodes = [
            {"id": "input", "handler": "input", "config": {"path": "it"}},
            {"id": "flaky", **flaky},
            {"id": "output", "handler": "output", "dependencies": ["flaky"]},
        ]
        try:
            self.execution_id = self.call("workflow", {"name": "Followed", "dag": {"nodes": nodes}})["execution_id"]
            self.instance_id = self.call(f"workflow/trigger/{self.execution_id}", {})["instance_id"]
            self.request_id = self.answered["X-Request-Id"]
            self.status = self.call(f"workflows/{self.instance_id}?wait=20")
        finally:
            server.shutdown()
            server.server_close()
        self.seen = server.RequestHandlerClass.seen  # type: ignore[attr-defined]

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._stack.url}/api/{path}", data, {"traceparent": CLIENT})
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.answered = dict(answer.headers)
            return json.load(answer)

    def lines(self) -> list[dict[str, Any]]:
        """Return all processes' lines about the instance, by time, as the query of docs/logs-and-traces.md does."""
        said = [line.partition(" | ")[2] for line in self._stack.lines]
        lines = [json.loads(line) for line in said if line.startswith("{")]
        return sorted((one for one in lines if one.get("instance_id") == self.instance_id), key=lambda one: one["time"])

    def spans(self) -> list[Received]:
        return self._collector.of(self.instance_id[3:] + "00")


@pytest.fixture(scope="module")
def followed(stack: RunningStack, collector: Collector) -> Run:
    made = Run(stack, collector)
    assert made.status["status"] == "COMPLETED", made.status
    wait_until(lambda: any(line["event"] == "instance finished" for line in made.lines()), what="the last line")
    wait_until(lambda: len(made.spans()) == 5, what="five spans")
    return made


def test_a_run_is_reconstructed_from_the_log(followed: Run) -> None:
    lines = followed.lines()
    nodes = [(line["event"], line["node"], line["attempt"]) for line in lines if "node" in line]
    assert nodes == [
        ("node started", "input", 1),
        ("node completed", "input", 1),
        ("node started", "flaky", 1),
        ("node retried", "flaky", 1),
        ("node started", "flaky", 2),
        ("node completed", "flaky", 2),
        ("node started", "output", 1),
        ("node completed", "output", 1),
    ]
    assert all(line["handler"] for line in lines if "node" in line)
    (retried,) = [line for line in lines if line["event"] == "node retried"]
    assert "503" in retried["reason"] and retried["ms"] > 0
    (created,) = [line for line in lines if line["event"] == "instance created"]
    assert created["request_id"] == followed.request_id
    assert all(line["execution_id"] == followed.execution_id for line in lines if line["event"] != "request")
    assert all(line["request_id"] for line in lines)
    # The trigger runs `input`, and a message brings `flaky`, after whose retry the worker runs on.
    received = [line["request_id"] for line in lines if line["event"] == "message received"]
    started = [line["request_id"] for line in lines if line["event"] == "node started"]
    assert len(received) == 1 and started == [followed.request_id, *received * 3]


def test_the_queries_of_the_docs_follow_it(followed: Run, stack: RunningStack) -> None:
    page = (ROOT / "docs/logs-and-traces.md").read_text("utf-8")
    (command,) = re.findall(r"^grep .*INSTANCE_ID.*$", page, re.M)
    done = subprocess.run(
        ["bash", "-c", command.replace("run.log", stack.log.name)],
        cwd=stack.log.parent,
        env=os.environ | {"INSTANCE_ID": followed.instance_id},
        text=True,
        capture_output=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in found if "instance_id" in line] == followed.lines()
    assert len(found) <= len(followed.lines()) + 1  # at DEBUG the local server names the path of a request as well
    fields = re.findall(r"^fields (.*)\n\| filter instance_id", page, re.M)[0].split(", ")
    assert set(fields) <= {name for line in followed.lines() for name in line}


def test_a_node_that_goes_well_says_nothing_at_info(followed: Run) -> None:
    said = [line["event"] for line in followed.lines() if line["level"] != "DEBUG" and line["event"] != "request"]
    assert sorted(said) == ["instance created", "instance finished", "node retried"]


def test_a_request_is_a_line(followed: Run) -> None:
    (line,) = [line for line in followed.lines() if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/workflows/{instance_id}", 200)
    assert line["ms"] > 0 and line["request_id"] != followed.request_id


def test_one_trace_from_the_trigger_to_every_attempt(followed: Run) -> None:
    trigger, *nodes = followed.spans()
    assert trigger.name == "trigger" and trigger.parent_id == "" and trigger.resource["service.name"] == "under-test"
    assert [(span.name, span.attributes["dag.node.id"], span.attributes["dag.attempt"]) for span in nodes] == [
        ("node input", "input", 1),
        ("node call_external_service", "flaky", 1),
        ("node call_external_service", "flaky", 2),
        ("node output", "output", 1),
    ]
    assert {span.parent_id for span in nodes} == {trigger.span_id}
    assert {span.attributes["dag.instance_id"] for span in [trigger, *nodes]} == {followed.instance_id}
    assert [span.failed for span in nodes] == [False, True, False, False]
    assert "503" in nodes[1].events["exception"]["exception.message"]
    # A span of a node from a message is a consumer, and knows its delay; the other nodes were claimed in a hop.
    brought = [span.attributes.get("messaging.message.id") is not None for span in nodes]
    assert brought == [False, True, False, False]
    assert nodes[1].attributes["messaging.system"] == "aws_sqs" and nodes[1].attributes["dag.queue_ms"] >= 0


def test_the_trigger_is_linked_to_the_submission_and_the_client(followed: Run, collector: Collector) -> None:
    (submit,) = collector.of(followed.execution_id[3:] + "00")
    assert submit.name == "submit" and submit.links == [(CLIENT_TRACE, CLIENT_SPAN)]
    assert followed.spans()[0].links == [(submit.trace_id, submit.span_id), (CLIENT_TRACE, CLIENT_SPAN)]


def test_a_called_service_joins_the_trace(followed: Run) -> None:
    attempts = [span for span in followed.spans() if "flaky" in span.attributes.values()]
    assert followed.seen == [f"00-{span.trace_id}-{span.span_id}-01" for span in attempts]


Spans = Callable[..., list[Received]]
Traced = tuple[Application, MemoryQueue, Spans]


@pytest.fixture
def traced(valkey_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Traced:
    """An application that traces, its queue, and a function that returns the spans of an instance."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    queue = MemoryQueue()
    app = application(valkey_url, queue, tracing="otlp", retention_seconds=60, workflow_retention_seconds=60)

    def spans(instance_id: str, trace_id: str | None = None) -> list[Received]:
        with app.tracer.invocation(NONE):
            pass  # the end of the invocation exports them
        return collector.of(trace_id or instance_id[3:] + "00")

    return app, queue, spans


def test_a_repeated_trigger_is_beside_the_nodes(traced: Traced) -> None:
    app, queue, spans = traced
    workflow = {"name": "w", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}}
    execution_id = app.submission.submit(json.dumps(workflow).encode(), None).execution_id
    ids = {app.triggering.trigger(execution_id, b"", "key").instance_id for _ in range(2)}
    drain(app, queue)
    first, *others = spans(ids.pop())
    assert sorted(span.name for span in (first, *others)) == ["node noop", "trigger", "trigger"]
    assert first.name == "trigger" and first.parent_id == ""
    assert {span.parent_id for span in others} == {first.span_id}


def test_what_lost_its_attributes_joins_the_same_trace(traced: Traced) -> None:
    app, queue, spans = traced
    instance_id = run(app, {"name": "w", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}})
    drain(app, queue)  # a queue in memory carries no attributes
    trigger, node = spans(instance_id)
    assert node.parent_id == trigger.span_id


def test_the_scheduler_function_joins_by_its_payload(traced: Traced) -> None:
    app, _, spans = traced
    instance_id = run(by_messages(app), {"name": "w", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}})
    payloads: list[dict[str, str]] = []

    class Lambda:
        def invoke(self, **call: Any) -> None:
            payloads.append(json.loads(call["Payload"]))

    LambdaInvoker(Lambda, "scheduler", app.tracer.carrier).invoke(instance_id)
    app.scheduler.handle(payloads[0])
    trigger, schedule = spans(instance_id)
    assert payloads == [{"instance_id": instance_id, "traceparent": f"00-{trigger.trace_id}-{trigger.span_id}-01"}]
    assert (schedule.name, schedule.parent_id) == ("schedule", trigger.span_id)
    # The traceparent in the payload takes precedence.
    app.scheduler.handle({"instance_id": instance_id, "traceparent": CLIENT})
    assert [span.parent_id for span in spans(instance_id, CLIENT_TRACE)] == [CLIENT_SPAN]


@pytest.mark.parametrize("carried", [{}, {"traceparent": CLIENT}], ids=["nothing", "a trace"])
def test_messages_carry_the_trace_as_attributes(queue_urls: QueuePair, carried: dict[str, str]) -> None:
    message = Message(Ref("in-" + "0" * 30, "ex-" + "0" * 30), (Ready(0, 1),))
    SqsQueue(lambda: queue_urls.client, queue_urls.url, lambda _: carried).send([message])
    seen: list[dict[str, str]] = []

    def function(event: dict[str, Any], context: Any) -> None:
        seen.extend(carrier(record) for record in event["Records"])

    mapping = EventSourceMapping(queue_urls.client, queue_urls.url, function, wait_seconds=1)
    wait_until(mapping.poll, what="the message")
    assert seen == [carried]


def test_a_collector_that_is_away_is_left_alone_for_a_while(
    traced: Traced, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    app, _, spans = traced
    collector.status, before = 400, collector.requests  # the exporter itself retries what can be retried
    try:
        for _ in range(3):
            run(app, {"name": "w", "dag": {"nodes": [{"id": "a", "handler": "noop"}]}})
            spans("in-0")
    finally:
        collector.status = 200
    assert collector.requests == before + 1
    [line] = [record for record in caplog.records if record.message == "spans not exported"]
    assert (line.levelname, vars(line)["spans"], vars(line)["pause_seconds"]) == ("WARNING", 3, 30)


@handler("says_sync")
def says_sync(config: Config, context: Context) -> None:
    logging.getLogger("theirs").warning("from the root", extra={"attempt": "its own"})
    context.logger.warning("from the context", extra={"more": 1})


@handler("says_async")
async def says_async(config: Config, context: Context) -> None:
    await asyncio.sleep(0)
    says_sync(config, context)


@handler("says_instant", instant=True)
def says_instant(config: Config, context: Context) -> None:
    says_sync(config, context)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("which", [says_sync, says_async, says_instant])
def test_what_a_handler_logs_carries_where_it_ran(
    valkey_url: str, which: Handler, root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = MemoryQueue()
    app = application(valkey_url, queue, [which], retention_seconds=60, workflow_retention_seconds=60)
    logs.configure("WARNING", "json")
    with logs.bound({"request_id": "r"}):
        instance_id = run(app, {"name": "w", "dag": {"nodes": [{"id": "a", "handler": which.name}]}})
        drain(app, queue)
    by_root, by_context = map(json.loads, capsys.readouterr().err.splitlines())
    expected = {"instance_id": instance_id, "node": "a", "handler": which.name, "request_id": "r"}
    for line in (by_root, by_context):
        assert expected.items() <= line.items() and line["execution_id"].startswith("ex-")
    assert (by_root["attempt"], by_context["attempt"], by_context["more"]) == ("its own", 1, 1)


def test_off_it_works_without_opentelemetry() -> None:
    """Like in the zip, OpenTelemetry is missing. (redis-py imports what it finds of it, for its own metrics.)"""
    code = """
import sys
sys.modules["opentelemetry"] = sys.modules["google.protobuf"] = None
from chalicelib import composition
app = composition.application()
app.worker, app.submission, app.triggering, app.status, app.sweep, app.scheduler, app.dead_letters
assert app.tracer.carrier("in-" + "0" * 30) == app.tracer.headers() == {}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
