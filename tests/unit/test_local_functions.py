"""Functions in processes of their own: Lambda's answers when they succeed, raise, die, or answer too much."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.functions import environment, runtime
from local.functions.environment import Environment, FunctionError
from local.functions.function import Function
from tests.support.harness import wait_until

SOURCE = """
import os, time

def echo(event, context):
    left = context.get_remaining_time_in_millis()
    return {"event": event, "name": context.function_name, "left": left, "pid": os.getpid()}

def raises(event, context):
    raise KeyError("nothing")

def dies(event, context):
    os._exit(3)

def sleeps(event, context):
    time.sleep(30)

def big(event, context):
    return "x" * event

def yields_what_json_has_not(event, context):
    return object()
"""

Make = Callable[..., Function]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    task, provided = tmp_path / "task", tmp_path / "provided"
    task.mkdir()
    provided.mkdir()
    runtime.provide(provided)
    (task / "fn.py").write_text(SOURCE)
    made: list[Function] = []

    def make(handler: str, *, seconds: float = 20, concurrency: int = 1) -> Function:
        env = runtime.variables("fn", f"fn.{handler}", task=task, provided=provided, megabytes=128, own={})

        def start() -> Environment:
            command = runtime.command(f"fn.{handler}")
            return Environment(command, directory=task, env=env, arn="arn", log=tmp_path / "log")

        made.append(Function("fn", start, timeout_seconds=seconds, concurrency=concurrency))
        return made[-1]

    yield make
    for function in made:
        function.close()


def stopped(function: Function) -> bool:
    [one] = function.environments
    return Path(f"/proc/{one.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_an_environment_is_used_again_and_frozen_meanwhile(make: Make) -> None:
    function = make("echo")
    first, second = function({"a": "ü"}), function(None)
    assert first["event"] == {"a": "ü"} and second["event"] is None
    assert first["name"] == "fn" and 19_000 < first["left"] <= 20_010
    assert first["pid"] == second["pid"] and function.started == 1
    wait_until(lambda: stopped(function), what="it is frozen")


def test_as_many_environments_as_events_at_once_up_to_the_limit(make: Make) -> None:
    function = make("echo", concurrency=2)
    pids: list[int] = []
    threads = [threading.Thread(target=lambda: pids.append(function(1)["pid"])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 6 and function.started <= 2 and set(pids) <= {one.process.pid for one in function.environments}


@pytest.mark.parametrize(
    ("handler", "event", "kind"),
    [
        ("raises", 0, "KeyError"),
        ("dies", 0, "Runtime.ExitError: the runtime exited with 3"),
        ("big", environment.MAX_ANSWER_BYTES, "Function.ResponseSizeTooLarge"),
        ("yields_what_json_has_not", 0, "Runtime.MarshalError"),
        ("is_not_there", 0, "Runtime.HandlerNotFound"),
    ],
)
def test_what_goes_wrong_is_told_as_lambda_does(make: Make, handler: str, event: Any, kind: str) -> None:
    function = make(handler)
    for _ in range(2):
        with pytest.raises(FunctionError, match=kind) as caught:
            function(event)
        assert json.loads(caught.value.payload)["errorType"] == kind.split(":")[0]
    lost = handler in ("dies", "is_not_there")
    assert function.started == (2 if lost else 1)


def test_what_takes_too_long_is_killed(make: Make) -> None:
    function = make("sleeps", seconds=0.3)
    with pytest.raises(FunctionError, match=r"Task timed out after 0\.30 seconds"):
        function(0)
    assert function.environments == []


def test_the_end_of_an_idle_environment_is_noticed(make: Make) -> None:
    function = make("echo")
    function(1)
    [idle] = function.environments
    idle.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not idle.alive)
    assert function(2)["event"] == 2 and function.started == 2


def test_one_that_never_asks_for_an_event_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "INIT_SECONDS", 0.2)
    monkeypatch.setattr(runtime, "command", lambda handler: ["sleep", "30"])
    with pytest.raises(FunctionError, match="no event was asked for"):
        make("echo")(1)
