"""Large results, stored elsewhere transparently: read where they are needed, checked, deleted with their instance."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from chalice.test import Client

import app as web
from chalicelib import composition
from chalicelib.composition import Application
from chalicelib.core.transitions import Outcome
from chalicelib.errors import NotFound, StillRunning, ValueLost, ValuesUnavailable
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.store import keys
from tests.support.harness import application, by_messages, drain, results_of, run, sqs_event, wait_until
from tests.support.invariants import check_invariants

LARGE = 1000
runs: Counter[str] = Counter()
secret = "s3cr3t-" + "x" * 20

Make = Callable[..., tuple[Application, MemoryQueue]]


class Big(Config):
    size: int
    more: Any = None


@handler("big")
def big(config: Big, context: Context) -> Any:
    """Return a string of that size, a new one in each epoch."""
    runs[context.node_id] += 1
    return f"{context.node_id}{context.epoch}" * (config.size // 2) + (config.more or "")


@handler("length")
def length(config: Big, context: Context) -> int:
    runs[context.node_id] += 1
    return len(config.more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "values"


@pytest.fixture
def make(valkey_url: str, folder: Path) -> Iterator[Make]:
    applications: list[Application] = []

    def made(**settings: Any) -> tuple[Application, MemoryQueue]:
        queue = MemoryQueue()
        settings = {"values_url": folder.as_uri(), "large_result_bytes": LARGE, **settings}
        applications.append(by_messages(application(valkey_url, queue, [big, length], **settings)))
        return applications[-1], queue

    runs.clear()
    yield made
    for app in applications:
        app.redis.close()


def node(id: str, handler: str, *dependencies: str, **config: Any) -> dict[str, Any]:
    more = config.pop("more_of_node", {})
    return {"id": id, "handler": handler, "dependencies": list(dependencies), "config": config, **more}


def workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Large", "dag": {"nodes": list(nodes)}}


CHAIN = workflow(
    node("a", "big", size=5000),
    node("b", "length", "a", size=0, more="{{ a }}"),
    node("c", "output", "a", "b", value={"all": "{{ a }}", "length": "{{ b }}"}),
)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stored(app: Application, instance_id: str) -> dict[int, bytes]:
    return app.store.results(instance_id)


@pytest.mark.parametrize("hop", [0, 10])
@pytest.mark.parametrize("place", ["folder", "s3"])
def test_a_large_result_goes_elsewhere_and_nobody_notices(
    make: Make, place: str, hop: int, request: pytest.FixtureRequest
) -> None:
    settings: dict[str, Any] = {"hop_seconds": hop}
    if place == "s3":
        settings["values_url"] = f"s3://{request.getfixturevalue('bucket')}/of/ours"
        settings["aws_endpoint_url"] = request.getfixturevalue("localstack_url")
    app, queue = make(**settings)
    instance_id = run(app, CHAIN)
    drain(app, queue)
    view = results_of(app, instance_id)
    assert view.results == {"a": "a1" * 2500, "b": 5000, "c": {"all": "a1" * 2500, "length": 5000}}
    assert view.output == view.results["c"] and view.large == {}
    kept = stored(app, instance_id)
    assert kept[0][:1] == b"\0" and kept[2][:1] == b"\0" and kept[1] == b"5000"
    assert all(len(value) < 300 for value in kept.values())
    assert app.redis.hget(keys.meta(instance_id), "schema") == b"2"  # the first release could not read it
    other, _ = make(**settings)  # a process with an empty cache
    assert results_of(other, instance_id).results == view.results
    check_invariants(app.redis, instance_id)
    app.control.delete(instance_id)
    with pytest.raises(ValueLost):
        make(**settings)[0].offload.get(kept[0])


def test_what_runs_on_here_reads_nothing_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app, queue = make()
    monkeypatch.setattr(app.offload._values, "get", None)
    instance_id = run(app, workflow(node("a", "big", size=5000), *(node(f"b{n}", "output", "a") for n in range(50))))
    drain(app, queue)
    assert app.status.of(instance_id).status == "COMPLETED"


def test_what_is_small_costs_nothing(make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, queue = make()
    monkeypatch.setattr(app.store, "offload", None)
    monkeypatch.setattr(app.offload, "put", None)
    exactly = LARGE - 2  # plus two quotes
    instance_id = run(app, workflow(node("a", "big", size=exactly), node("b", "output", "a")))
    drain(app, queue)
    assert app.status.of(instance_id).status == "FAILED"  # b, {"a": ...}, is larger by a few bytes
    assert stored(app, instance_id) == {0: json.dumps("a1" * (exactly // 2)).encode()} and not folder.exists()


def test_without_a_place_the_limit_is_what_it_was(make: Make) -> None:
    app, queue = make(values_url="", large_result_bytes=LARGE, max_result_bytes=4000)
    instance_id = run(app, workflow(node("a", "big", size=3000), node("b", "big", size=5000)))
    drain(app, queue)
    nodes = app.status.of(instance_id).nodes
    assert nodes["a"].status == "COMPLETED" and nodes["b"].status == "FAILED"
    assert nodes["b"].error is not None and "MAX_RESULT_BYTES" in nodes["b"].error.message
    assert (make()[0].settings.result_limit, app.settings.result_limit) == (16 * 1024 * 1024, 4000)


def test_secrets_are_taken_out_before(make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_BIG", secret)
    app, queue = make()
    instance_id = run(app, workflow(node("a", "big", size=5000, more="{{ secrets.BIG }}")))
    drain(app, queue)
    assert results_of(app, instance_id).results["a"].endswith("***")
    assert all(secret not in path.read_text() for path in files(folder)) and files(folder)


@pytest.mark.parametrize("fault", ["lost", "changed"])
def test_a_result_that_is_not_there_fails_who_needs_it_and_says_why(make: Make, folder: Path, fault: str) -> None:
    app, queue = make(hop_seconds=0)
    again = {"more_of_node": {"retry_policy": {"max_attempts": 3, "initial_backoff_seconds": 0}}}
    instance_id = run(
        app, workflow(node("a", "big", size=5000), node("b", "length", "a", size=0, more="{{ a }}", **again))
    )
    app.worker.handle(sqs_event(queue.take()))
    [path] = files(folder)
    path.unlink() if fault == "lost" else path.write_bytes(path.read_bytes()[:-2] + b'x"')
    other, _ = make(hop_seconds=0)
    other.queue = queue
    drain(other, queue)
    view = other.status.of(instance_id)
    assert view.nodes["b"].status == "FAILED" and view.nodes["b"].attempt == 1  # no retry helps
    error = view.nodes["b"].error
    assert error is not None and error.type == "ValueLost" and str(path) in error.message
    results = results_of(other, instance_id)
    assert results.results == {} and list(results.large) == ["a"]
    with pytest.raises(ValueLost, match="run the instance again"):
        other.results.of_node(instance_id, "a")
    other.control.rerun(instance_id, json.dumps({"from": ["a"]}).encode(), None)
    drain(other, queue)
    assert results_of(other, instance_id).results["b"] == 5000


def test_a_place_that_does_not_answer_is_asked_again_by_the_policy(make: Make, folder: Path) -> None:
    app, queue = make()
    folder.parent.mkdir(exist_ok=True)
    folder.touch()  # a file, below which nothing can be stored
    once = workflow(node("a", "big", size=5000))
    twice = workflow(
        node("a", "big", size=5000, more_of_node={"retry_policy": {"max_attempts": 9, "initial_backoff_seconds": 0}})
    )
    failed, retried = run(app, once), run(app, twice)
    for _ in range(3):
        app.worker.handle(sqs_event(queue.take()))
    error = app.status.of(failed).nodes["a"].error
    assert error is not None and error.type == "ValuesUnavailable" and error.traceback is None
    folder.unlink()
    drain(app, queue)
    view = app.status.of(retried)
    assert view.status == "COMPLETED" and view.nodes["a"].attempt > 1
    assert app.status.of(failed).status == "FAILED"


def test_what_is_too_late_is_not_put_and_never_in_the_way(make: Make, folder: Path) -> None:
    app, queue = make(lease_seconds=0.05)
    instance_id = run(app, workflow(node("a", "big", size=5000)))
    drain(app, queue)
    [path] = files(folder)
    assert app.store.offload(instance_id, node=0, attempt=1) is Outcome.CLOSED
    # A worker that still runs the same attempt uses another key for its result.
    app.offload.put(instance_id, "a", 1, b'"other"')
    assert len(files(folder)) == 2 and path.read_bytes() == json.dumps("a1" * 2500).encode()
    assert results_of(app, instance_id).results["a"] == "a1" * 2500
    app.control.delete(instance_id)
    assert not files(folder)


def test_what_nobody_wants_any_more_is_not_put(make: Make, folder: Path) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a", "big", size=5000)))
    offload = app.store.offload

    def cancelled_meanwhile(*args: Any, **named: Any) -> Outcome:
        app.control.cancel(instance_id, b"")
        return offload(*args, **named)

    app.store.offload = cancelled_meanwhile  # type: ignore[method-assign]
    drain(app, queue)
    assert runs["a"] == 1 and not folder.exists()


def test_an_orphan_goes_with_its_instance(make: Make, folder: Path) -> None:
    app, queue = make()
    instance_id = run(app, workflow(node("a", "big", size=5000), node("b", "big", "a", size=10)))
    complete = app.store.complete

    def cancelled_meanwhile(*args: Any, **named: Any) -> Any:
        app.control.cancel(instance_id, b"")
        return complete(*args, **named)

    app.store.complete = cancelled_meanwhile  # type: ignore[method-assign]
    app.worker.handle(sqs_event(queue.take()))
    assert len(files(folder)) == 1 and stored(app, instance_id) == {}
    app.control.delete(instance_id)
    assert not files(folder) and app.redis.exists(*keys.instance(instance_id)[:9]) == 0


def test_at_the_end_of_the_retention_the_sweep_deletes_them(make: Make, folder: Path) -> None:
    app, queue = make(retention_seconds=1, resend_seconds=0.05)
    instance_id = run(app, CHAIN)
    drain(app, queue)
    assert len(files(folder)) == 2
    wait_until(lambda: app.store.status(instance_id) is None, what="the end of the retention")
    forget, failing = app.offload._values.forget, [True]

    def forget_later(prefix: str) -> None:
        if failing.pop() if failing else False:
            raise ValuesUnavailable("not now")
        forget(prefix)

    app.offload._values.forget = forget_later  # type: ignore[method-assign]
    wait_until(lambda: app.sweep.run().failed == 1, what="a sweep that finds it")
    assert len(files(folder)) == 2  # and nothing else of it is left
    assert app.redis.exists(*keys.instance(instance_id)[:9]) == 1
    wait_until(lambda: app.sweep.run() and not files(folder), what="a sweep that deletes them")
    assert app.redis.exists(*keys.instance(instance_id)[:9]) == 0
    assert app.redis.zscore(keys.index(instance_id[-2:]), instance_id) is None


def test_the_results_of_an_earlier_epoch_stay(make: Make) -> None:
    app, queue = make()
    instance_id = run(app, CHAIN)
    drain(app, queue)
    app.control.rerun(instance_id, json.dumps({"from": ["a"]}).encode(), None)
    with pytest.raises(StillRunning):
        app.results.of_node(instance_id, "a")
    drain(app, queue)
    assert results_of(app, instance_id).results["a"] == "a2" * 2500
    assert results_of(app, instance_id, 1).results["a"] == "a1" * 2500
    assert app.results.of_node(instance_id, "a", 1).value == json.dumps("a1" * 2500).encode()


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_what_an_answer_has_no_room_for_has_a_link(make: Make, place: str, request: pytest.FixtureRequest) -> None:
    settings: dict[str, Any] = {"max_answer_bytes": 12_100}
    if place == "s3":
        settings["values_url"] = f"s3://{request.getfixturevalue('bucket')}"
        settings["aws_endpoint_url"] = request.getfixturevalue("localstack_url")
    app, queue = make(**settings)
    nodes = [node("a", "big", size=5000), node("b", "big", size=13_000), node("c", "big", size=900)]
    quotes = node("d", "output", "a", "c", value={"\\" * 500: "{{ c }}"})
    instance_id = run(app, workflow(*nodes, quotes))
    drain(app, queue)
    view = results_of(app, instance_id, mount="/dev")
    # The output counts twice, and so does a quote or a backslash. `a` alone still fits.
    assert set(view.results) == {"a", "c", "d"} and view.output is not None
    b = json.dumps("b1" * 6500).encode()
    large = view.large["b"]
    assert (large.bytes, large.sha256) == (len(b), hashlib.sha256(b).hexdigest())
    assert large.href == f"/dev/api/workflows/{instance_id}/results/b"
    found = app.results.of_node(instance_id, "b")
    if place == "folder":
        assert found.value == b
    else:
        assert found.url is not None
        with urlopen(found.url) as answer:
            assert answer.read() == b
    assert app.results.of_node(instance_id, "a").value == json.dumps("a1" * 2500).encode()
    assert app.results.of_node(instance_id, "c").value == json.dumps("c1" * 450).encode()
    small, _ = make(**settings | {"max_answer_bytes": 3000})
    view = results_of(small, instance_id, 1)
    assert view.output is None and set(view.results) == {"c"} and set(view.large) == {"a", "b", "d"}
    assert view.large["a"].href.endswith("/results/a?epoch=1")
    with pytest.raises(NotFound, match="no node"):
        app.results.of_node(instance_id, "x")


def test_room_is_counted_as_lambda_counts_it(make: Make) -> None:
    """The output is in an answer twice, and quotes and backslashes are escaped."""
    app, queue = make()
    instance_id = run(app, workflow(node("a", "big", size=600), node("b", "output", value={'"\\"': ["\\", '"'] * 50})))
    drain(app, queue)
    a, b = (stored(app, instance_id)[number] for number in (0, 1))
    need = len(a) + 2 + 2 * (len(b) + b.count(b'"') + b.count(b"\\"))
    enough, too_little = make(max_answer_bytes=need)[0], make(max_answer_bytes=need - 1)[0]
    assert not results_of(enough, instance_id).large
    assert list(results_of(too_little, instance_id).large) == ["a" if len(a) > len(b) else "b"]


@pytest.mark.parametrize("room", [12_000, 3000])
def test_over_http(make: Make, bucket: str, localstack_url: str, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    app, queue = make(values_url=f"s3://{bucket}", aws_endpoint_url=localstack_url, max_answer_bytes=room)
    monkeypatch.setattr(composition, "application", lambda: app)
    instance_id = run(app, workflow(node("a", "big", size=5000), node("b", "length", size=0)))
    drain(app, queue)
    with Client(web.app) as client:
        results = client.http.get(f"/api/workflows/{instance_id}/results").json_body
        alone = client.http.get(f"/api/workflows/{instance_id}/results/a")
        list_accepted = {"Accept": "text/uri-list, application/json"}
        told = client.http.get(f"/api/workflows/{instance_id}/results/a", headers=list_accepted)
        nothing = client.http.get(f"/api/workflows/{instance_id}/results/b")
        if alone.status_code == 303:
            with urlopen(alone.headers["Location"]) as answer:
                assert json.load(answer) == "a1" * 2500
        app.offload.forget(instance_id)
        app.offload._kept.clear()
        lost = client.http.get(f"/api/workflows/{instance_id}/results/a?epoch=1")
    assert nothing.status_code == 404  # it failed
    if room > 10_000:
        assert results["results"] == {"a": "a1" * 2500} and results["large"] == {}
        assert (alone.status_code, alone.json_body) == (told.status_code, told.json_body) == (200, "a1" * 2500)
        assert lost.status_code == 410 and lost.json_body["type"].endswith("value-lost")
    else:
        assert results["large"]["a"]["href"] == f"/api/workflows/{instance_id}/results/a"
        assert alone.status_code == 303
        assert (told.status_code, told.headers["Content-Type"]) == (200, "text/uri-list")
        assert told.body.decode().startswith(alone.headers["Location"].split("?")[0] + "?")
