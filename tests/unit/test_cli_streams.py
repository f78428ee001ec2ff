"""`dag` as a process: whatever happens to its output or to the answers, the exit code does not mean FAILED."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli.failures import Exit
from local.processes import ROOT

NAME = "Größe ✓ 支払い 🚚"
DIAMOND = {"name": NAME, "dag": {"nodes": [{"id": NAME, "handler": "noop", "dependencies": []}]}}


class Answering(BaseHTTPRequestHandler):
    """A server that answers each path with what `answers` has for it: JSON, or bytes as they are."""

    answers: ClassVar[dict[str, Any]] = {}
    hung = threading.Event()

    def do_GET(self) -> None:
        answer = self.answers.get(self.path.split("?")[0], "<html>nothing</html>")
        if answer is None:
            self.hung.set()
            self.connection.recv(1)  # until the client disconnects
            return
        body = answer.encode() if isinstance(answer, str) else answer
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(200)
        length = len(body) + (1000 if self.path.endswith("half") else 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    counts = {"total": 1, "pending": 0, "running": 0, "completed": 1, "failed": 0, "skipped": 0, "cancelled": 0}
    node = {
        "status": "COMPLETED",
        "attempt": 1,
        "queued_at": None,
        "started_at": None,
        "finished_at": None,
        "error": None,
    }
    Answering.answers = {
        "/api/workflows/in-1": {
            "instance_id": "in-1", "execution_id": "ex-1", "name": NAME, "status": "COMPLETED", "progress": counts,
            "created_at": "2026-11-24T00:00:00.000Z", "finished_at": None, "error": None, "nodes": {NAME: node},
        },
        "/api/workflow/ex-1": {"definition": DIAMOND},
        "/api/workflows/in-1/results": {"status": "COMPLETED", "results": {NAME: NAME}, "large": {}, "output": NAME},
        "/api/workflows/in-list": [1, 2],
        "/api/workflows/in-number": 7,
        "/api/workflows/in-empty": {},
        "/api/workflows/in-deep": "[" * 100_000,
        "/api/workflows/in-half": "{",
        "/api/workflows/in-hung": None,
    }  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli", *words]


def environment(tmp_path: Path, url: str, **more: str) -> dict[str, str]:
    """Return an environment in which output is buffered by default, whatever the tests themselves run with."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return given | {"DAG_URL": url, "DAG_CONFIG": str(tmp_path / "config.toml"), "PYTHONPATH": str(ROOT)} | more


def dag(tmp_path: Path, url: str, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*words), env=environment(tmp_path, url, **more), capture_output=True, timeout=60)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_output_is_made_of_what_the_terminal_can_show(tmp_path: Path, url: str, encoding: str) -> None:
    shown = dag(tmp_path, url, "status", "in-1", PYTHONIOENCODING=encoding)
    assert shown.returncode == Exit.OK, shown.stderr
    shown.stdout.decode(encoding)
    as_json = dag(tmp_path, url, "status", "in-1", "--json", PYTHONIOENCODING=encoding)
    assert json.loads(as_json.stdout)["name"] == NAME
    watched = dag(tmp_path, url, "status", "in-1", "--watch", PYTHONIOENCODING=encoding)
    assert watched.returncode == Exit.OK and b"Gr" in watched.stderr
    assert ("\N{CHECK MARK}" in watched.stderr.decode(encoding)) is (encoding == "utf-8")
    drawn = dag(tmp_path, url, "graph", "ex-1", "--format", "dot", PYTHONIOENCODING=encoding)
    assert NAME in drawn.stdout.decode("utf-8"), "a document is UTF-8 wherever it goes"


@pytest.mark.parametrize(
    "words", [["status", "in-1"], ["graph", "ex-1"], ["results", "in-1"], ["--help"], ["list", "-h"]]
)
def test_a_full_disk_is_said(tmp_path: Path, url: str, words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(*words), env=environment(tmp_path, url), stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == Exit.SERVER
    assert done.stderr.decode().count("\n") == 1 and "No space left" in done.stderr.decode()
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run(
            command(*words), env=environment(tmp_path, url), stdout=full, stderr=full, timeout=60
        ).returncode == Exit.SERVER  # fmt: skip


@pytest.mark.parametrize("words", [["status", "in-1"], ["status", "in-1", "--json"], ["graph", "ex-1"], ["--help"]])
def test_a_closed_pipe_ends_it_quietly(tmp_path: Path, url: str, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(*words), env=environment(tmp_path, url), stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("id", ["in-list", "in-number", "in-empty", "in-deep", "in-html"])
def test_an_answer_that_is_none_of_the_services_own(tmp_path: Path, url: str, id: str) -> None:
    done = dag(tmp_path, url, "status", id)
    assert done.returncode == Exit.SERVER, done
    assert done.stderr.decode().startswith("error: ") and b"Traceback" not in done.stderr
    as_json = dag(tmp_path, url, "status", id, "--json")
    assert as_json.returncode != Exit.FAILED
    assert json.loads(as_json.stdout or as_json.stderr) in ({}, json.loads(as_json.stderr or "{}"))


def test_half_an_answer_is_a_service_that_does_not_answer(tmp_path: Path, url: str) -> None:
    assert dag(tmp_path, url, "status", "in-half").returncode == Exit.UNREACHABLE


def test_ctrl_c(tmp_path: Path, url: str) -> None:
    Answering.hung.clear()
    process = subprocess.Popen(
        command("status", "in-hung"),
        env=environment(tmp_path, url),
        stderr=subprocess.PIPE,
        # A shell starts background processes with SIGINT ignored, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert Answering.hung.wait(60)
    process.send_signal(signal.SIGINT)
    assert b"Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGINT


def test_settings_that_cannot_be_written_or_read(tmp_path: Path, url: str) -> None:
    # Not even root can make a folder there.
    nowhere = dag(tmp_path, url, "profile", "set", "a", "--url", url, DAG_CONFIG="/proc/nowhere/config.toml")
    assert nowhere.returncode == Exit.SERVER
    assert b"cannot be written" in nowhere.stderr and b"DAG_CONFIG" in nowhere.stderr
    for broken in (
        "use = ",
        "use = 7",
        "use = ['a']",
        "profiles = 7",
        "[profiles]\na = 7",
        "\xff",
        "[profiles.a]\nurl=[1]\n",
    ):
        (tmp_path / "config.toml").write_bytes(broken.encode("latin-1"))
        for words in (["list"], ["profile", "list"], ["profile", "set", "b", "--url", url]):
            done = dag(tmp_path, url, *words, DAG_PROFILE="a") if "url" in broken else dag(tmp_path, url, *words)
            assert b"Traceback" not in done.stderr and done.returncode != Exit.FAILED, (broken, words, done)


def test_wrong_usage(tmp_path: Path, url: str) -> None:
    for words in (["nope"], ["status"], ["list", "--limit", "x"], ["status", "in-1", "--nope"]):
        done = dag(tmp_path, url, *words, PYTHONIOENCODING="ascii")
        assert done.returncode == Exit.INVALID and done.stdout == b"", done
        done.stderr.decode("ascii")


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        (">&-", "graph ex-1", Exit.SERVER),
        (">&-", "status in-1 --json", Exit.SERVER),
        ("<&-", "validate -", Exit.INVALID),
        ("2>&-", "status in-1", Exit.OK),
        ("2>&-", "status in-list", Exit.SERVER),
    ],
)
def test_a_stream_that_is_closed(tmp_path: Path, url: str, closed: str, words: str, code: Exit) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m cli {words} {closed}', sys.executable],
        env=environment(tmp_path, url),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == code and b"Traceback" not in done.stderr, done
