"""The middleware around an invocation, for every kind of event that chalice has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.app import Chalice, SQSEvent
from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib.invocation import Invocation, around
from local.mapping import LambdaContext


def noted(seen: list[Any]) -> Any:
    @contextlib.contextmanager
    def part(invocation: Invocation) -> Iterator[None]:
        seen.append((invocation.request_id, invocation.messages))
        try:
            yield
        finally:
            seen.append("end")

    return part


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def app(seen: list[Any]) -> SimpleNamespace:
    app = Chalice("app", configure_logs=False)
    app.register_middleware(around(lambda: [noted(seen)]), "all")

    @app.on_sqs_message("queue")
    def queue(event: SQSEvent) -> None:
        seen.append("queue")

    @app.lambda_function()
    def function(event: Any, context: Any) -> None:
        raise ValueError(event)

    @app.route("/")
    def index() -> dict[str, str]:
        seen.append("index")
        return {}

    return SimpleNamespace(chalice=app, queue=queue, function=function)


def test_messages_and_request_ids(app: SimpleNamespace, seen: list[Any]) -> None:
    context = LambdaContext("queue", seconds=1)
    app.queue({"Records": [{}, {}]}, context)
    assert seen == [(context.aws_request_id, 2), "queue", "end"]


def test_an_error_ends_it_too(app: SimpleNamespace, seen: list[Any]) -> None:
    with pytest.raises(ValueError, match="boom"):
        app.function("boom", None)
    assert seen == [("", 0), "end"]


def test_http(app: SimpleNamespace, seen: list[Any]) -> None:
    LocalGateway(app.chalice, Config()).handle_request("GET", "/", {}, b"")
    (request_id, messages), *rest = seen
    assert (messages, rest) == (0, ["index", "end"]) and request_id


def test_the_deployed_app_has_it_around_everything(seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import app

    worker = SimpleNamespace(handle=lambda event, context: seen.append("worker"))
    application = SimpleNamespace(parts=[noted(seen)], worker=worker)
    monkeypatch.setattr("chalicelib.composition.application", lambda: application)
    app.worker({"Records": [{}]}, None)
    assert seen == [("", 1), "worker", "end"]
