"""Running instances during an upgrade or a rollback, when two releases work on the same ones.

`release-N.tar.gz` is a frozen copy of a release that wrote schema N, with its Lua and its Python, since only both
together are a deployed function. It is in the tree, so that a checkout without history tests the same. It was made by
`git archive COMMIT chalicelib scheduler ':(exclude)chalicelib/web' | gzip -9n`. It is never edited: what breaks this
test breaks running instances. See ARCHITECTURE.md, "Versions".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import redis

from local.processes import ROOT
from tests.support.harness import wait_until
from tests.support.invariants import check_invariants

HERE = Path(__file__).parent
WIDE = 700  # more than one slice of children
OLD = ["release-1", "release-2"]


class Release:
    """An engine of one release in a process of its own."""

    def __init__(self, tree: Path, redis_url: str, settings: dict[str, Any]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [sys.executable, HERE / "engine.py", redis_url, json.dumps(settings)],
            env=inherited | {"PYTHONPATH": os.pathsep.join([str(tree), str(HERE)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.sent: list[str] = []

    def ask(self, *command: Any) -> Any:
        """The answer; the messages that were sent meanwhile are in `sent`. Raises EOFError when the process died."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"the engine died with {self.process.wait()}")
        answer, sent = json.loads(line)
        self.sent += sent
        return answer

    def take(self) -> list[str]:
        taken, self.sent = self.sent, []
        return taken

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {"new": ROOT}
    for name in OLD:
        found[name] = tmp_path_factory.mktemp(name)
        with tarfile.open(HERE / f"{name}.tar.gz") as archive:
            archive.extractall(found[name], filter="data")
    return found


@pytest.fixture
def release(trees: dict[str, Path], valkey_url: str) -> Iterator[Callable[..., Release]]:
    """Start a release, in which every node is a message of its own unless a trigger makes the first hop."""
    started: list[Release] = []

    def start(name: str, *, first_hop: bool = False) -> Release:
        settings = {"first_hop_seconds": 5 if first_hop else 0} if name == "new" else {}
        started.append(Release(trees[name], valkey_url, settings))
        assert Path(started[-1].ask("home")).is_relative_to(trees[name])
        return started[-1]

    yield start
    for one in started:
        one.close()


def node(id: str, handler: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), **more}


def workflow() -> dict[str, Any]:
    """Return a workflow that is wide enough for slices, with a retry, a failure, and nodes that this skips."""
    wide = [f"w{number}" for number in range(WIDE)]
    retry = {"max_attempts": 2, "initial_backoff_seconds": 0.1}
    nodes = [
        node("input", "input", config={"value": 1}),
        *(node(id, "noop", "input") for id in wide),
        node("flaky", "flaky", "input", retry_policy=retry),
        node("joined", "input", *wide, "flaky", config={"flaky": "{{ flaky }}"}),
        node("tail", "input", "joined", config={"sum": "{{ joined.flaky }}"}),
        node("hopeless", "hopeless", "input"),
        *(node(f"skipped{number}", "noop", "hopeless") for number in range(WIDE)),
    ]
    return {"name": "Upgrade", "dag": {"nodes": nodes}}


@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize("turns", ["upgrade", "rollback", "rollback after a first hop", "side by side"])
def test_an_instance_goes_on_under_another_release(
    turns: str, old: str, release: Callable[..., Release], valkey_url: str
) -> None:
    engines = {name: release(name, first_hop="first hop" in turns) for name in (old, "new")}
    first, second = ("new", old) if "rollback" in turns else (old, "new")
    instance_id = engines[first].ask("start", workflow())
    messages = engines[first].take()
    order = cycle([first, second])
    done = engines[second].ask("status", instance_id)["progress"]["completed"]
    assert (done == 100) is ("first hop" in turns)
    worked = Counter({first: done})
    while messages:
        done = engines[second].ask("status", instance_id)["progress"]["completed"]
        name = next(order) if turns == "side by side" else first if done <= WIDE / 2 else second
        worked[name] += 1
        assert engines[name].ask("work", messages.pop(0)) == 0
        assert engines[name].ask("sweep") == 0
        for engine in engines.values():
            messages += engine.take()
    assert min(worked[old], worked["new"]) >= 4
    for engine in engines.values():
        status = engine.ask("status", instance_id)
        assert status["status"] == "FAILED" and status["error"]["node"] == "hopeless"
        states = Counter(one["status"] for one in status["nodes"].values())
        assert states == {"COMPLETED": WIDE + 4, "FAILED": 1, "SKIPPED": WIDE}
        assert status["nodes"]["flaky"]["attempt"] == 2
        assert engine.ask("results", instance_id)["tail"] == {"sum": 2}
    with redis.Redis.from_url(valkey_url) as client:
        check_invariants(client, instance_id, places=False)


@pytest.mark.parametrize(("dies", "goes_on"), [*((old, "new") for old in OLD), *(("new", old) for old in OLD)])
def test_what_a_worker_of_another_release_held_is_run_again(
    dies: str, goes_on: str, release: Callable[..., Release]
) -> None:
    first, second = release(dies), release(goes_on)
    nodes = [node("a", "deadly"), node("b", "noop", "a")]
    instance_id = first.ask("start", {"name": "Deadly", "dag": {"nodes": nodes}})
    [message] = first.take()
    with pytest.raises(EOFError):
        first.ask("work", message)

    def ended() -> bool:
        assert second.ask("sweep") == 0
        for body in second.take():
            assert second.ask("work", body) == 0
        return bool(second.ask("status", instance_id)["status"] == "COMPLETED")

    wait_until(ended, what="the end of an instance whose worker died")
    assert second.ask("results", instance_id)["a"] == 2


@pytest.mark.parametrize(
    "nodes",
    [
        [node("a.b", "noop"), node("c", "noop", "a.b")],
        [node("a", "input", config={"x y": 1}), node("c", "input", "a", config={"n": '{{ a["x y"] }}'})],
    ],
    ids=["an id that is not plain", "a quoted path"],
)
def test_what_an_older_release_would_get_wrong_waits_for_the_newer(
    nodes: list[dict[str, Any]], release: Callable[..., Release]
) -> None:
    before, now = release("release-2"), release("new")  # the first release had no schemas
    instance_id = now.ask("start", {"name": "Newer", "dag": {"nodes": nodes}})
    [message] = now.take()
    assert before.ask("work", message) == 1  # returned to the queue
    before.ask("sweep")  # it may meet instances of other tests
    assert not [body for body in before.take() if instance_id in body]
    assert now.ask("work", message) == 0
    for body in (body for body in now.take() if instance_id in body):
        assert before.ask("work", body) == 1
        assert now.ask("work", body) == 0
    assert now.ask("status", instance_id)["status"] == "COMPLETED"
