"""The events of docs/events.md, each with its level and all its fields, as the lines that the engine writes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import ids, logs
from chalicelib.core.calls import Completion, Due
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Message, Ready, Ref
from chalicelib.errors import Unavailable, ValuesUnavailable
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.queues.message import encode
from chalicelib.tracing.tracer import SILENT
from chalicelib.values.nowhere import NoValues
from chalicelib.worker.run_loop import RunLoop
from chalicelib.worker.worker import MARGIN_SECONDS
from tests.support.harness import application, by_messages, run, sqs_event

OURS = ("chalicelib.", "scheduler.", "dag.")
AWAY = Unavailable("the store is away")
BUG = KeyError("a bug")


class Clock:
    """A process's clock, which stands still until a handler moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Does(Config):
    fails: bool = False


Line = dict[str, Any]


class Engine:
    """An application, whose one handler takes a quarter of a second, and the lines that were logged."""

    def __init__(self, valkey_url: str, written: io.StringIO) -> None:
        self._written = written
        self.queue, self.clock = MemoryQueue(), Clock()
        self.meanwhile: Callable[[], object] = lambda: None

        @handler("does")
        def does(config: Does) -> int:
            self.clock.now += 0.25
            self.meanwhile()
            if config.fails:
                raise ValueError("x" * 301)
            return 1

        self.app = by_messages(application(valkey_url, self.queue, [does]))
        self.app.clock = self.clock

    def start(self, *, handler: str = "does", fails: bool = False, attempts: int = 1, **workflow: Any) -> Ref:
        """Start an instance of one node."""
        policy = {"max_attempts": attempts, "initial_backoff_seconds": 0}
        config = {"config": {"fails": fails}} if handler == "does" else {}
        node = {"id": "a", "handler": handler, "retry_policy": policy, "timeout_seconds": 30, **config}
        return self.app.resolver.ref(run(self.app, {"name": "w", "dag": {"nodes": [node]}, **workflow}))

    def work(self, seconds: float | None = None) -> Any:
        """Handle what is in the queue, in an invocation that has this long."""
        left = SimpleNamespace(get_remaining_time_in_millis=lambda: 1000 * ((seconds or 0) + MARGIN_SECONDS))
        return self.app.worker.handle(sqs_event(self.queue.take()), left if seconds else None)

    def lines(self, *events: str) -> list[Line]:
        """Return what was logged since the last call, of these events only if any are given."""
        found = []
        for text in self._written.getvalue().splitlines():
            line = json.loads(text)
            assert line.pop("time").endswith("Z")
            if line.pop("logger").startswith(OURS) and (not events or line["event"] in events):
                if "exc_info" in line:
                    line["exc_info"] = line["exc_info"].splitlines()[-1]
                found.append(line)
        self._written.seek(0)
        self._written.truncate()
        return found


def replaced(monkeypatch: pytest.MonkeyPatch, part: Any, name: str, answer: Any) -> None:
    """Let a method give this answer, or raise it."""

    def instead(*_: Any, **__: Any) -> Any:
        if isinstance(answer, Exception):
            raise type(answer)(*answer.args)
        return answer

    monkeypatch.setattr(part, name, instead)


@pytest.fixture
def engine(valkey_url: str) -> Iterator[Engine]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("DEBUG", "json")
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written := io.StringIO())
    made = Engine(valkey_url, written)
    yield made
    made.app.redis.close()
    root.handlers[:], root.level = handlers, level


def event(level: str, name: str, ref: Ref, **fields: Any) -> Line:
    return {"level": level, "event": name, "instance_id": ref.instance_id, "execution_id": ref.execution_id, **fields}


def of_node(level: str, name: str, ref: Ref, attempt: int = 1, **fields: Any) -> Line:
    return event(level, name, ref, **{"node": "a", "handler": "does", "attempt": attempt, **fields})


def received(ref: Ref, outcome: str = "OPEN") -> Line:
    return event("DEBUG", "message received", ref, outcome=outcome, message_id="m0")


def test_a_run_that_goes_well(engine: Engine) -> None:
    ref = engine.start()
    engine.work()
    assert engine.lines() == [
        {"level": "INFO", "event": "workflow stored", "execution_id": ref.execution_id, "nodes": 1},
        event("INFO", "instance created", ref),
        received(ref),
        of_node("DEBUG", "node started", ref),
        of_node("DEBUG", "node completed", ref, ms=250.0),
        event("INFO", "instance finished", ref, status="COMPLETED"),
    ]


def test_a_node_that_fails_again_and_again(engine: Engine) -> None:
    ref = engine.start(fails=True, attempts=2)
    engine.lines()
    engine.work()
    why: dict[str, Any] = {"ms": 250.0, "error": "ValueError", "reason": "x" * 300}
    assert engine.lines() == [
        received(ref),
        of_node("DEBUG", "node started", ref),
        of_node("WARNING", "node retried", ref, **why),
    ]
    engine.work()
    assert engine.lines() == [
        received(ref),
        of_node("DEBUG", "node started", ref, 2),
        of_node("WARNING", "node failed", ref, 2, **why),
        of_node("INFO", "instance finished", ref, 2, status="FAILED"),
    ]


def test_messages_that_lead_to_no_claim(engine: Engine) -> None:
    ref = engine.start()
    [body] = engine.queue.bodies
    engine.lines()
    engine.queue.bodies.append(body)
    engine.work()
    refused = {"node": "a", "attempt": 1, "why": "RUNNING", "message_id": "m1"}
    assert engine.lines("message received", "message refused") == [
        received(ref),
        received(ref) | {"message_id": "m1"},
        event("DEBUG", "message refused", ref, **refused),
    ]
    engine.queue.bodies.append(body)
    engine.work()
    assert engine.lines() == [received(ref, "CLOSED")]
    engine.app.control.delete(ref.instance_id)
    engine.lines()
    engine.queue.bodies.append(body)
    engine.work()
    assert engine.lines() == [received(ref, "GONE")]


def test_a_claim_without_a_message_is_refused(engine: Engine) -> None:
    ref = engine.start()
    plan = engine.app.resolver.plan(ref.execution_id)
    engine.lines()
    assert not engine.app.claimer.claim(ref, plan, [Ready(0, 7)], deadline=0, delivery=None, message=False)
    assert engine.lines() == [event("DEBUG", "claim refused", ref, node="a", attempt=7, why="SUPERSEDED")]


@pytest.mark.parametrize("alone", [False, True])
def test_records_that_cannot_be_handled(engine: Engine, monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    ref = engine.start()
    engine.lines()
    replaced(monkeypatch, engine.app.store, "claim", AWAY)
    messages = [encode(Message(ref, (Ready(node, 1, alone=alone),))) for node in (0, 9)]
    engine.queue.bodies = ["rubbish", *messages]
    answer = engine.work()
    assert sorted(one["itemIdentifier"] for one in answer["batchItemFailures"]) == ["m0", "m1", "m2"]
    rubbish, away, odd = sorted(engine.lines(), key=lambda line: str(line["message_id"]))
    assert rubbish.pop("error").startswith("not a message of dag-service: ")
    failed: Line = {"level": "ERROR", "event": "record failed"}
    assert rubbish == failed | {"message_id": "m0"}
    assert away == {"level": "WARNING", "event": "record failed", "message_id": "m1", "error": str(AWAY)}
    assert odd == failed | {"message_id": "m2", "error": "the message names a node that its workflow does not have"}


def test_a_node_that_its_invocation_cuts_off(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class GivesUp:
        """A handler that watches its time."""

        def run(self, handler: Any, config: Any, context: Context, timeout: float) -> Any:
            engine.clock.now += timeout
            raise OSError("read timed out")

    failed: list[tuple[Any, ...]] = []

    class Span:
        def failed(self, *error: Any) -> None:
            failed.append(error)

    engine.app.executor = GivesUp()
    ref = engine.start()
    monkeypatch.setattr(type(engine.app.tracer), "node", lambda self, job: _block(Span()))
    engine.lines()
    engine.work(seconds=5)
    reason = "the invocation ended 25 s before the node's own timeout"
    assert engine.lines("node cut off") == [of_node("WARNING", "node cut off", ref, ms=5000.0, reason=reason)]
    assert failed == [("CutOff", reason, None)]


class _block:
    """The context manager around a span."""

    def __init__(self, span: Any) -> None:
        self.span, self.left = span, list[Any]()

    def __enter__(self) -> Any:
        return self.span

    def __exit__(self, *error: Any) -> None:
        self.left.append(error)


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome.SUPERSEDED, "node superseded"),
        (Outcome.REPEATED, "node committed twice"),
        (Outcome.CLOSED, "node too late"),
        (Outcome.GONE, "node too late"),
    ],
)
def test_commits_that_change_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, name: str
) -> None:
    ref = engine.start()
    engine.lines()
    replaced(monkeypatch, engine.app.store, "complete", Completion((outcome,)))
    engine.work()
    assert engine.lines()[2:] == [of_node("WARNING", name, ref, ms=250.0)]


def test_a_large_result_that_is_too_late_to_be_stored(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = engine.start()
    engine.lines()
    monkeypatch.setattr(engine.app.offload, "over", 0)
    engine.meanwhile = lambda: engine.app.control.cancel(ref.instance_id, b"")
    engine.work()
    assert engine.lines("node too late", "instance cancelled") == [
        of_node("INFO", "instance cancelled", ref),
        of_node("WARNING", "node too late", ref, ms=250.0),
    ]


@pytest.mark.parametrize("method", ["complete", "fail"])
def test_a_store_that_is_away_at_a_commit(engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    ref = engine.start(fails=method == "fail")
    engine.lines()
    replaced(monkeypatch, engine.app.store, method, AWAY)
    engine.work()
    _, _, line = engine.lines()
    if method == "fail":
        assert line.pop("error").startswith(f"{AWAY}; while handling ValueError: xxx")
        assert line == of_node("ERROR", "node left to the sweep", ref)
    else:
        assert line == event("ERROR", "nodes left to the sweep", ref, error=str(AWAY))


def test_a_store_that_is_away_at_the_claim_of_the_next_attempt(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that waits out a short backoff itself claims the attempt without a message."""
    engine.app.worker_limits = replace(engine.app.worker_limits, short_wait=1.0)
    ref = engine.start(fails=True, attempts=2)
    engine.lines()
    engine.meanwhile = lambda: replaced(monkeypatch, engine.app.store, "claim", AWAY)
    engine.work()
    assert engine.lines("node retried", "nodes left to the sweep") == [
        of_node("WARNING", "node retried", ref, ms=250.0, error="ValueError", reason="x" * 300),
        {"level": "ERROR", "event": "nodes left to the sweep", "error": str(AWAY)},
    ]


@pytest.mark.parametrize("method", ["complete", "fail"])
def test_a_bug_of_the_engine_at_a_commit(engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    ref = engine.start(fails=method == "fail")
    engine.lines()
    replaced(monkeypatch, engine.app.store, method, BUG)
    engine.work()
    traceback: Line = {"exc_info": "KeyError: 'a bug'"}
    if method == "fail":
        assert engine.lines()[2:] == [of_node("ERROR", "node runner failed", ref, **traceback)]
    else:
        assert engine.lines()[2:] == [event("ERROR", "commit failed", ref, **traceback)]


def test_reports_that_fail_are_reported_and_the_work_goes_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = RuntimeError("the exporter is broken")

    class Broken(_block):
        def __enter__(self) -> Any:
            raise fails

    class Closing(_block):
        def __exit__(self, *error: Any) -> None:
            raise fails

    for block in (Broken(None), Closing(SILENT)):
        ref = engine.start()
        engine.lines()
        monkeypatch.setattr(type(engine.app.tracer), "node", lambda self, job, block=block: block)
        engine.work()
        assert engine.lines("not said") == [of_node("ERROR", "not said", ref, error=str(fails))]
        assert engine.app.status.of(ref.instance_id).status == "COMPLETED"


def test_a_tracer_learns_of_a_bug_of_the_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    block = _block(SILENT)
    engine.start(fails=True)
    monkeypatch.setattr(type(engine.app.tracer), "node", lambda self, job: block)
    replaced(monkeypatch, engine.app.store, "fail", BUG)
    engine.work()
    [(kind, error, traceback)] = block.left
    assert kind is KeyError and error.args == BUG.args and traceback is not None


@pytest.mark.parametrize(("error", "name"), [(AWAY, "first hop left to the queue"), (BUG, "first hop failed")])
def test_a_trigger_that_cannot_begin(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str
) -> None:
    del engine.app.first_hop
    bug = error is BUG
    part, method = (RunLoop, "run") if bug else (engine.app.store, "claim")
    replaced(monkeypatch, part, method, error)
    ref = engine.start(handler="noop")
    fields = {"exc_info": "KeyError: 'a bug'"} if bug else {"error": str(AWAY)}
    assert engine.lines(name) == [event("ERROR" if bug else "WARNING", name, ref, **fields)]
    assert len(engine.queue.bodies) == (0 if bug else 1)


def test_webhooks_that_cannot_be_called(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = engine.start(webhook={"url": "https://hooks.example/"})
    with monkeypatch.context() as patch:
        replaced(patch, engine.app.webhooks, "tell", AWAY)
        engine.work()
    fields = {"status": "COMPLETED", "error": str(AWAY)}
    assert engine.lines("webhook left to the sweep") == [event("WARNING", "webhook left to the sweep", ref, **fields)]
    engine.app.control.delete(ref.execution_id)
    engine.app.definitions.forget(ref.execution_id)
    engine.lines()
    engine.app.scheduler.run(ref.instance_id)
    assert engine.lines() == [event("WARNING", "webhook dropped", ref)]


def test_what_users_do_to_an_instance(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    control, ref = engine.app.control, engine.start()
    engine.lines()
    control.pause(ref.instance_id)
    control.resume(ref.instance_id)
    control.cancel(ref.instance_id, b"")
    control.cancel(ref.instance_id, b"")
    control.rerun(ref.instance_id, b"", None)
    names = ["instance paused", "instance resumed", "instance cancelled", "instance run again"]
    assert engine.lines() == [event("INFO", name, ref) for name in names]
    engine.meanwhile = lambda: engine.app.store.offload(ref.instance_id, node=0, attempt=2)
    engine.work()
    engine.lines()
    gone = ValuesUnavailable("the bucket is away")
    with monkeypatch.context() as patch:
        replaced(patch, engine.app.offload, "forget", gone)
        control.delete(ref.instance_id)
    assert engine.lines() == [
        event("INFO", "instance deleted", ref),
        event("WARNING", "large results left to the sweep", ref, error=str(gone)),
    ]
    assert isinstance(engine.app.offload._values, NoValues)
    engine.app.scheduler.run(ref.instance_id)
    prefix = f"{ids.shard(ref.instance_id)}/{ref.instance_id}/"
    assert engine.lines() == [{"level": "WARNING", "event": "large results left", "prefix": prefix}]
    control.delete(ref.execution_id)
    assert engine.lines() == [{"level": "INFO", "event": "workflow deleted", "execution_id": ref.execution_id}]


def test_an_instance_whose_workflow_was_deleted(engine: Engine) -> None:
    ref = engine.start()
    engine.app.control.delete(ref.execution_id)
    engine.app.definitions.forget(ref.execution_id)
    engine.lines()
    engine.work()
    assert engine.lines() == [event("ERROR", "instance aborted", ref, message_id="m0")]


def test_dead_letters(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = engine.start()
    engine.lines()
    replaced(monkeypatch, engine.app.store, "lose", AWAY)
    bodies = ["rubbish" * 100, *engine.queue.take()]
    assert engine.app.dead_letters.handle(sqs_event(bodies)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    dropped, kept = engine.lines()
    assert dropped.pop("error").startswith("not a message of dag-service: ")
    dead: Line = {"level": "ERROR", "event": "dead letter dropped", "body": bodies[0][:500]}
    assert dropped == dead | {"message_id": "m0"}
    assert kept.pop("exc_info") == f"chalicelib.errors.Unavailable: {AWAY}"
    assert kept == {"level": "ERROR", "event": "dead letter kept", "message_id": "m1"}
    monkeypatch.undo()
    engine.app.dead_letters.handle(sqs_event(bodies[1:]))
    again = {"node": "a", "attempt": 1, "why": "no worker could take its message", "message_id": "m0"}
    assert engine.lines() == [event("WARNING", "node sent again", ref, **again)]


def test_all_lines_of_a_pass_name_the_instance(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = engine.start()
    engine.lines()

    def logging_due(*_: Any, **__: Any) -> Due:
        logging.getLogger("chalicelib.any").warning("any line")
        return Due(Outcome.GONE)

    monkeypatch.setattr(engine.app.store, "take_due", logging_due)
    engine.app.scheduler.handle({"instance_id": ref.instance_id})
    assert engine.lines() == [{"level": "WARNING", "event": "any line", "instance_id": ref.instance_id}]


def test_health_names_what_cannot_be_reached(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, name in ((engine.app.store, "store unreachable"), (engine.app.queue, "queue unreachable")):
        with monkeypatch.context() as patch:
            replaced(patch, part, "ping", AWAY)
            health = engine.app.health.check()
        assert health.status == "degraded" and f"{health.store} {health.queue}".split().count("unreachable") == 1
        assert engine.lines() == [{"level": "ERROR", "event": name, "error": str(AWAY)}]
