"""The output of figures: CloudWatch's format on stdout, Prometheus's text."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

import app as web
from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.core.records import Pressure
from chalicelib.errors import NotFound, Unavailable
from chalicelib.invocation import Invocation
from chalicelib.metrics import catalogue
from chalicelib.metrics.catalogue import METRICS
from chalicelib.metrics.emf import Emf
from chalicelib.metrics.gauges import Gauge, Gauges
from chalicelib.metrics.meter import InvocationMeter
from chalicelib.metrics.metered import CallCounts
from chalicelib.metrics.prometheus import Prometheus
from chalicelib.metrics.protocol import NodeEnd
from chalicelib.metrics.recorder import Recorder
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.sqs import SqsQueue
from chalicelib.settings import Settings
from chalicelib.store.redis_store import RedisStore
from tests.support import emf

ROOT = Path(__file__).parents[2]


def everything(metrics: Recorder) -> None:
    """Report everything that can be reported."""
    metrics.started()
    metrics.ended(ids.new(ids.INSTANCE), "COMPLETED")
    metrics.ended(ids.new(ids.INSTANCE), "FAILED")
    metrics.ended(ids.new(ids.INSTANCE), "CANCELLED")
    metrics.claimed(0.5)
    metrics.nodes([NodeEnd("noop", 1, 0.25), NodeEnd("call", 3, 2.0, failed=True), NodeEnd("noop", 2, 0.75)])
    metrics.lost("call")
    metrics.dispatched([0.002, 0.004])
    metrics.swept(nodes=3, failed=1, late=1.5)
    metrics.dead_letters(2)
    metrics.refused()
    metrics.invoked(1e-6)
    metrics.flush()


def test_emf_holds_every_metric_with_its_dimensions_and_unit(capsys: pytest.CaptureFixture[str]) -> None:
    everything(Recorder(Emf("dag-service-test")))
    lines = capsys.readouterr().out.splitlines()
    documents = [emf.check(line) for line in lines]
    assert {document["service"] for document in documents} == {"dag-service-test"}
    units = {
        metric["Name"]: (metric["Unit"], sorted(directive["Dimensions"][0]))
        for document in documents
        for directive in document["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    dimensions = {False: ["service"], True: ["handler", "service"]}
    assert units == {metric.name: (metric.unit, dimensions[metric.by_handler]) for metric in METRICS}
    found = emf.values(lines)
    assert found["NodeDuration", "noop"] == [250, 750] and found["NodeAttempts", "noop"] == [1, 2]
    assert found["NodesFailed", "call"] == [1, 1] and ("NodesFailed", "noop") not in found
    assert found["DispatchLag", ""] == [2, 4] and found["SweepLag", ""] == [1500] and found["SweepRepairs", ""] == [3]
    assert found["Cost", ""] == [1e-6]
    assert 0 <= found["InstanceDuration", ""][0] < 5000


def test_emf_says_nothing_twice_and_nothing_where_nothing_was(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Emf("s")
    sink.flush()
    sink.add({catalogue.REFUSED: [1]})
    sink.flush()
    sink.flush()
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_emf_keeps_no_more_than_a_line_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Recorder(Emf("s"))
    metrics.nodes(NodeEnd("noop", 1, number / 1000) for number in range(1050))
    assert len(capsys.readouterr().out.splitlines()) == 11
    for _ in range(99):
        metrics.refused()
    assert capsys.readouterr().out == ""
    metrics.refused()
    assert emf.values(capsys.readouterr().out.splitlines()) == {("Refused", ""): [1] * 100}


def test_emf_loses_nothing_between_threads(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Recorder(Emf("s"))
    batch = [NodeEnd("noop", 1, 0.001)] * 30

    def report() -> None:
        for _ in range(50):
            metrics.nodes(batch)

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.flush()
    found = emf.values(capsys.readouterr().out.splitlines())
    assert len(found["NodeDuration", "noop"]) == len(found["NodeAttempts", "noop"]) == 4 * 50 * 30


def test_prometheus_text_has_every_metric_and_parses() -> None:
    prometheus = Prometheus(lambda: [Gauge("dag_messages_waiting", "messages that wait", 7)])
    everything(Recorder(prometheus))
    text, content_type = prometheus.exposition("")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in plain(text)}
    assert set(families) == {metric.series for metric in METRICS} | {"dag_messages_waiting"}
    for metric in METRICS:
        assert families[metric.series].type == ("histogram" if metric.is_duration else "counter")
        assert f"# HELP {metric.exposed} {metric.help}\n" in text
        assert all(("handler" in sample.labels) == metric.by_handler for sample in families[metric.series].samples)
    assert 'dag_node_duration_seconds_sum{handler="noop"} 1.0\n' in text
    assert 'dag_node_duration_seconds_bucket{handler="noop",le="0.25"} 1.0\n' in text
    assert 'dag_node_attempts_total{handler="noop"} 3.0\n' in text and "dag_messages_waiting 7.0\n" in text
    assert "dag_instances_failed_total 1.0\n" in text and "dag_dead_letters_total 2.0\n" in text


def test_prometheus_speaks_openmetrics_to_who_asks_for_it() -> None:
    prometheus = Prometheus(lambda: [])
    everything(Recorder(prometheus))
    text, content_type = prometheus.exposition("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert {family.name for family in openmetrics(text)} == {metric.series for metric in METRICS}


class Away:
    """A store, or a queue, that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def call(**named: Any) -> Any:
            raise Unavailable("it is away")

        return call


class Loaded:
    """A store with two live instances, one of them overdue."""

    def pressure(self, *, late_ms: int) -> Pressure:
        return Pressure(0.5, 1)

    def counts(self) -> dict[str, int]:
        return {"PENDING": 1, "RUNNING": 1, "COMPLETED": 7}


def test_gauges_leave_out_what_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    queue = MemoryQueue()
    queue.bodies = ["one"]
    store: Any = Loaded()
    away: Any = Away()
    both = {gauge.series: gauge.value for gauge in Gauges(store, store, queue, MemoryQueue()).read()}
    assert both == {
        "dag_instances_live": 2,
        "dag_instances_overdue": 1,
        "dag_store_memory_ratio": 0.5,
        "dag_messages_waiting": 1,
        "dag_dead_letters_waiting": 0,
    }
    assert [gauge.series for gauge in Gauges(away, away, queue, None).read()] == ["dag_messages_waiting"]
    caplog.clear()
    assert len(list(Gauges(store, store, away, None).read())) == 3
    [record] = caplog.records
    assert (record.levelname, record.message, vars(record)["error"]) == ("WARNING", "gauges not known", "it is away")


def test_an_invocation_is_paid_for_whatever_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([10.0, 12.0])
    tally = CallCounts()
    bill = InvocationMeter(Recorder(Emf("s")), tally, memory_gb=0.5, clock=lambda: next(clock))
    event: Any = type("Event", (), {"to_dict": lambda self: {"Records": [{}] * 3}})()

    def fails() -> None:
        with bill.part(Invocation(event, None)):
            tally.called("claim", 10)
            tally.requests += 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    lambda_, sqs, redis = 0.20e-6 + 2.0 * 0.5 * 16.6667e-6, 3 * 0.40e-6, (7 + 30) * 0.0023e-6
    found = emf.values(capsys.readouterr().out.splitlines())
    assert found == {("Cost", ""): [pytest.approx(lambda_ + sqs + redis)]}
    assert (tally.commands, tally.requests) == (0, 0)


def test_with_none_nothing_stands_around_anything() -> None:
    app = Application(Settings())
    assert type(app.store) is RedisStore and type(app.queue) is SqsQueue and app.metering.parts == ()
    with pytest.raises(NotFound, match="METRICS"):
        app.metering.exposition("")


def test_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Any] = {}
    with Client(web.app) as client:
        for metrics in ("none", "emf", "prometheus"):
            app = Application(Settings.from_environment({"METRICS": metrics}))
            app.store = app.queue = Away()
            monkeypatch.setattr("chalicelib.composition.application", lambda app=app: app)
            answers[metrics] = client.http.get("/api/metrics")
    for metrics in ("none", "emf"):
        assert (answers[metrics].status_code, answers[metrics].json_body["title"]) == (404, "Not found")
    assert answers["prometheus"].status_code == 200
    assert b"# TYPE dag_refused_total counter\n" in answers["prometheus"].body


def test_the_table_of_metrics_is_the_catalogue() -> None:
    text = (ROOT / "docs/metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `(\w+)` \| (.*?) \|$", text, re.M)
    assert rows == [
        (metric.name, metric.unit + (", by handler" if metric.by_handler else ""), metric.exposed, metric.help)
        for metric in METRICS
    ]
    loaded: Any = Loaded()
    gauges = {gauge.series for gauge in Gauges(loaded, loaded, MemoryQueue(), MemoryQueue()).read()}
    assert set(re.findall(r"^\| `(dag_\w+)` \|", text, re.M)) == gauges
