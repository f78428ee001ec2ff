"""Hostile input over HTTP gets a 4xx with a reason, in bounded time and memory, and leaves nothing behind.

The bounds: SECONDS for an answer (measured: at most 3 s on two busy cores, mostly below one), MEGABYTES of memory on
top of what the server had (measured: 140). Both are wide, so that only unbounded growth exceeds them.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.hostile.corpus import BODIES, GOOD, PARAMS, RAW, REQUESTS, Asked, Body, Raw

HOST = "127.0.0.1"
SECONDS = 10
MEGABYTES = 300
ANSWER_BYTES = 300_000
# A database of its own, so that keys of other tests are not counted.
DATABASE = 9


@dataclass
class Service:
    port: int
    process: subprocess.Popen[str]
    store: Any
    execution_id: str = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS)
        # Not `request`: it refuses to send some of what a hostile client sends.
        connection.putrequest(method, "/", skip_accept_encoding=True)
        line = f"{method} {path} HTTP/1.1".encode("utf-8", "surrogateescape")
        connection._buffer[0] = line  # type: ignore[attr-defined]
        for name, value in (headers or {}).items():
            connection._buffer.append(f"{name}: {value}".encode("latin-1"))  # type: ignore[attr-defined]
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders()
        try:
            if body:
                connection.send(body)
        except ConnectionError:
            pass  # it was refused before all of it had arrived
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert len(data) <= ANSWER_BYTES
        kind = answer.headers["Content-Type"]
        assert answer.status < 400 or kind == "application/problem+json", (answer.status, kind)
        return answer.status, json.loads(data)

    def kept(self) -> dict[bytes, bytes]:
        return {name: self.store.dump(name) for name in self.store.scan_iter(count=1000)}

    def peak(self) -> float | None:
        """Return the peak memory in MB since the last call of `forget_peak`, on systems that report it."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024

    def forget_peak(self) -> None:
        clear = Path(f"/proc/{self.process.pid}/clear_refs")
        if clear.exists():
            clear.write_text("5")


@pytest.fixture(scope="module")
def service(valkey_url: str) -> Iterator[Service]:
    url = f"{valkey_url.rsplit('/', 1)[0]}/{DATABASE}"
    environment = os.environ | {"PORT": "0", "HOST": HOST, "REDIS_URL": url, "LOG_LEVEL": "CRITICAL"}
    environment["QUEUE_URL"] = "http://127.0.0.1:1/queue"  # nothing here is ever sent
    process = subprocess.Popen(
        [sys.executable, "-m", "local.server"], env=environment, stdout=subprocess.PIPE, text=True
    )
    with process, redis.Redis.from_url(url) as store:
        try:
            assert process.stdout is not None
            service = Service(int(process.stdout.readline().rsplit(":", 1)[1]), process, store)
            service.execution_id = submit_good(service)
            yield service
            assert process.poll() is None
        finally:
            process.terminate()
            store.flushdb()


def submit_good(service: Service) -> str:
    """Submit the same workflow each time, with an Idempotency-Key, so that only the first call stores anything."""
    status, answer = service.ask("POST", "/api/workflow", GOOD, {"Idempotency-Key": "good"})
    assert status == 201, answer
    return str(answer["execution_id"])


@pytest.fixture
def undisturbed(service: Service) -> Iterator[Service]:
    """Check that requests stay within time and memory, nothing of them is kept, and the next request is served."""
    before, started = service.kept(), time.monotonic()
    service.forget_peak()
    had = service.peak()
    yield service
    took, peak = time.monotonic() - started, service.peak()
    assert took < SECONDS
    assert peak is None or had is None or peak - had < MEGABYTES
    assert service.process.poll() is None
    assert submit_good(service) == service.execution_id
    assert service.ask("GET", f"/api/workflows/{service.execution_id}")[0] == 200
    assert service.kept() == before


def check(answer: dict[str, Any], says: str, pointer: str | None) -> None:
    faults = [(fault["pointer"], fault["detail"]) for fault in answer.get("errors", ())]
    assert len(faults) <= 101
    if pointer is None:
        assert any(says in text for _, text in [*faults, ("", answer["detail"])]), answer
    else:
        assert any(place == pointer and says in text for place, text in faults), answer


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_workflow(undisturbed: Service, name: str) -> None:
    hostile: Body = BODIES[name]
    status, answer = undisturbed.ask("POST", "/api/workflow", hostile.make())
    assert (status, answer["status"]) == (hostile.status, hostile.status), answer
    check(answer, hostile.says, hostile.pointer)


@pytest.mark.parametrize("name", PARAMS)
def test_hostile_params(undisturbed: Service, name: str) -> None:
    hostile = PARAMS[name]
    path = f"/api/workflow/trigger/{undisturbed.execution_id}"
    status, answer = undisturbed.ask("POST", path, hostile.make())
    assert status == hostile.status, answer
    check(answer, hostile.says, hostile.pointer)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_hostile_request(undisturbed: Service, name: str) -> None:
    asked: Asked = REQUESTS[name]
    status, answer = undisturbed.ask(asked.method, asked.path, asked.body, asked.headers)
    assert status == asked.status, answer
    check(answer, asked.says, None)
    assert answer["detail"]


@pytest.mark.parametrize("name", RAW)
def test_hostile_bytes(undisturbed: Service, name: str) -> None:
    hostile: Raw = RAW[name]
    with socket.create_connection((HOST, undisturbed.port), timeout=SECONDS) as client:
        client.sendall(hostile.data)
        client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    if hostile.status is None:
        assert received == b""
        return
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % hostile.status), received[:500]
    assert b"application/problem+json" in head
    # One request, one answer.
    assert hostile.says in json.loads(body)["detail"]


def test_many_silent_clients_do_not_stop_the_others(undisturbed: Service) -> None:
    silent = [socket.create_connection((HOST, undisturbed.port), timeout=SECONDS) for _ in range(100)]
    for number, client in enumerate(silent):
        client.sendall(b"POST /api/workflow HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"[: 1 + number])
    assert undisturbed.ask("GET", f"/api/workflows/{undisturbed.execution_id}")[0] == 200
    for client in silent:
        client.close()
