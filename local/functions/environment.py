"""An execution environment: a process that runs one function, and the Runtime API from which it gets its events.

AWS Lambda Developer Guide, "Using the Lambda runtime API" and "Lambda execution environment lifecycle".
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from pathlib import Path

from local.functions.server import Handler, Server

INIT_SECONDS = 10.0
MAX_ANSWER_BYTES = 6 * 1024 * 1024 + 100


class FunctionError(RuntimeError):
    """The function raised, died, or took too long. `payload` is what Lambda answers instead of a result."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.payload = json.dumps({"errorType": kind, "errorMessage": message}).encode()


@dataclass(slots=True)
class _Call:
    payload: bytes
    seconds: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: Future[bytes] = field(default_factory=Future)

    def fail(self, kind: str, message: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(FunctionError(kind, message))


class Environment:
    """Runs one event at a time until its process ends. Then `alive` is false, and Lambda would start another one."""

    def __init__(self, command: Sequence[str], *, directory: Path, env: Mapping[str, str], arn: str, log: Path) -> None:
        """Start `command` in `directory`; its output is appended to `log`."""
        self.arn = arn
        self.asked = threading.Event()
        self.started = time.perf_counter()
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.current: _Call | None = None
        self.broken: tuple[str, str] | None = None
        self._server = Server(_runtime_api(self))
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env={**env, "AWS_LAMBDA_RUNTIME_API": self._server.address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self._watch, daemon=True, name="lambda").start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None and self.broken is None

    @property
    def busy(self) -> bool:
        return self.current is not None

    def invoke(self, payload: bytes, *, seconds: float) -> bytes:
        """The answer to one event, both in JSON. Raises FunctionError; after `seconds` the process is killed."""
        call = _Call(payload, seconds)
        self.current = call
        if self.broken:
            call.fail(*self.broken)
        elif not self.asked.wait(INIT_SECONDS):
            self._end("Sandbox.Timedout", f"no event was asked for within {INIT_SECONDS:g} s")
        self._calls.put(call)
        try:
            return call.answer.result(seconds)
        except NotYet:
            self._end("Sandbox.Timedout", f"{call.id} Task timed out after {seconds:.2f} seconds")
            return call.answer.result()
        finally:
            self.current = None

    def close(self) -> None:
        """Kill the process, whatever it is doing."""
        self._end("Runtime.ExitError", "closed")

    def next(self) -> _Call | None:
        """The next event; None once the process has ended. Until it comes the process is frozen, as on Lambda."""
        self.asked.set()
        self.process.send_signal(signal.SIGSTOP)
        call = self._calls.get()
        self.process.send_signal(signal.SIGCONT)
        return call

    def answered(self, id: str, body: bytes, *, failed: bool) -> None:
        """Take the function's answer to the event `id`."""
        call = self.current
        if call is None or call.id != id:
            return
        if failed:
            call.fail(*_reason(body))
        elif len(body) > MAX_ANSWER_BYTES:
            call.fail("Function.ResponseSizeTooLarge", f"{len(body)} bytes, {MAX_ANSWER_BYTES} are allowed")
        elif not call.answer.done():
            call.answer.set_result(body)

    def _end(self, kind: str, message: str) -> None:
        """Kill the process. Of several reasons for its end, the first is reported."""
        self.broken = self.broken or (kind, message)
        if self.current:
            self.current.fail(*self.broken)
        self.process.kill()
        self.process.wait()
        self.asked.set()
        self._calls.put(None)

    def _watch(self) -> None:
        code = self.process.wait()
        self._end("Runtime.ExitError", f"the runtime exited with {code}")
        self._server.close()


def _runtime_api(environment: Environment) -> type[Handler]:
    class RuntimeApi(Handler):
        def do_GET(self) -> None:
            call = environment.next()
            if call is None:  # the process has ended
                self.close_connection = True
                return
            self.answer(
                200,
                call.payload,
                {
                    "Lambda-Runtime-Aws-Request-Id": call.id,
                    "Lambda-Runtime-Deadline-Ms": str(round((time.time() + call.seconds) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": environment.arn,
                },
            )

        def do_POST(self) -> None:
            body = self.body()
            *_, subject, verb = self.path.split("/")
            if subject == "init":
                environment.broken = _reason(body)
            else:
                environment.answered(subject, body, failed=verb == "error")
            self.answer(202, b'{"status":"OK"}')

    return RuntimeApi


def _reason(body: bytes) -> tuple[str, str]:
    error = json.loads(body)
    return str(error.get("errorType")), str(error.get("errorMessage"))
