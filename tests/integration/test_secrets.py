"""Secrets reach the services that need them, and nothing else: Redis, the queue, answers and logs are searched."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, quote_plus, urlsplit
from urllib.request import Request, urlopen

import pytest
import redis
from chalice.test import Client

import app as web
from chalicelib import composition, logs
from chalicelib.errors import SecretsUnavailable
from chalicelib.handlers import Config, Context, handler
from chalicelib.queues.memory import MemoryQueue
from chalicelib.secrets.vault import Vault
from local.sockets import free_port
from tests.support.harness import application, drain, some
from tests.support.stack import running_stack

TOKEN = "tok-4f9a1c77be02d865"
PASSWORD = 'hunter2 & "quoted"/+='
ENVIRONMENT = {"SECRET_TOKEN": TOKEN, "SECRET_PASSWORD": PASSWORD}
# Every form in which they might be written somewhere.
FORMS = (
    [
        form
        for value in (TOKEN, PASSWORD)
        for form in (
            value,
            quote(value, safe=""),
            quote(value, safe="/?:@!$&'()*+,;=[]"),  # as in urllib3's log
            quote_plus(value),
            json.dumps(value)[1:-1],
            repr(value)[1:-1],
        )
    ]
    + [base64.b64encode(f"user:{TOKEN}".encode()).decode()[8:24], TOKEN[:12], PASSWORD[:12]]
)


class Echo(BaseHTTPRequestHandler):
    """A server that answers with everything it was sent, in the body and in a header; `/fail/NNN` has that status."""

    seen: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        url = urlsplit(self.path)
        seen = {"query": parse_qs(url.query), "authorization": self.headers["authorization"], "body": body}
        self.seen.append(seen)
        status = int(url.path.rsplit("/", 1)[1]) if url.path.startswith("/fail/") else 200
        data = json.dumps(seen | {"path": self.path, "number": 4711}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "text/plain")
        self.send_header("X-Echo", f"{self.headers['authorization']} {self.path}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Login(Config):
    user: str
    password: str
    number: int = 0


@handler("careless")
def careless(config: Login, context: Context) -> dict[str, Any]:
    """Log, raise and return secrets."""
    context.logger.info("config is %r", config, extra={"password": config.password})
    basic = base64.b64encode(f"{config.user}:{config.password}".encode()).decode()
    context.logger.debug("Authorization: Basic %s", basic)
    if config.user == "nobody":
        try:
            raise KeyError(config.password)
        except KeyError as error:
            context.logger.exception("no such user")
            raise RuntimeError(f"{config!r} is refused, {basic}") from error
    return {"config": config, "basic": basic, config.password: [config.password]}


@pytest.fixture
def echo() -> Iterator[str]:
    Echo.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def node(id: str, handler: str, config: dict[str, Any], *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "config": config, "dependencies": list(dependencies)} | more


def workflow(echo: str) -> dict[str, Any]:
    call = "call_external_service"
    bearer = {"Authorization": "Bearer {{ secrets.TOKEN }}"}
    login = {"user": "me", "password": "{{ secrets.PASSWORD }}"}
    twice = {"max_attempts": 2, "initial_backoff_seconds": 0}
    nodes = [
        node("input", "input", {"default": "{{ secrets.TOKEN }}"}),
        node("call", call, {"url": echo, "method": "POST", "headers": bearer, "json": login, "query": login}, "input"),
        node("again", call, {"url": f"{echo}/?said={{{{ call.body.query }}}}"}, "call"),
        node("own", "careless", login, "input"),
        node("own_fails", "careless", login | {"user": "nobody"}, retry_policy=twice),
        node("bad_config", "careless", login | {"number": "{{ secrets.PASSWORD }}"}),
        node("refused", call, {"url": f"{echo}/fail/401?key={{{{ secrets.PASSWORD }}}}", "headers": bearer}),
        node("broken", call, {"url": f"{echo}/fail/503", "headers": bearer, "query": login}, retry_policy=twice),
        node(
            "nowhere",
            call,
            {"url": f"http://127.0.0.1:{free_port()}/{{{{ secrets.TOKEN }}}}", "query": login},
            retry_policy=twice,
        ),
        node("no_url", call, {"url": "{{ secrets.PASSWORD }}"}),
        node("two_keys", "noop", {"{{ secrets.TOKEN }}": 1, "a{{ secrets.TOKEN }}": 2, "{{secrets.TOKEN}}": 3}),
        node("output", "output", {"value": ["{{ secrets.TOKEN }}", "{{ own }}", "{{ call.body }}"]}, "call", "own"),
    ]
    return {"name": "secrets", "dag": {"nodes": nodes}}


def everything_in(client: redis.Redis) -> str:
    """Return all keys with their values, whatever their type."""
    reads: dict[bytes | str, Callable[[Any], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"set": client.smembers,
        b"none": lambda _: None,  # it has just expired
    }
    return "\n".join(f"{key!r} {reads[client.type(key)](key)!r}" for key in client.scan_iter(count=1000))


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text or form.replace("\\", "\\\\") in text]


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_secret_is_nowhere_but_at_the_service(
    valkey_url: str, echo: str, style: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    messages: list[str] = []

    class Queue(MemoryQueue):
        def take(self, *arguments: Any) -> list[str]:
            taken = super().take(*arguments)
            messages.extend(taken)
            return taken

    queue = Queue()
    app = application(valkey_url, queue, [careless], allow_private_addresses=True)
    monkeypatch.setattr(composition, "application", lambda: app)
    root, answers = logging.getLogger(), []
    before, level = root.handlers[:], root.level
    try:
        logs.configure("DEBUG", style, lambda line: app.vault.redactor.text(line))  # type: ignore[arg-type]
        logging.getLogger("urllib3").setLevel(logging.DEBUG)
        with Client(web.app) as client:

            def http(method: str, path: str, body: Any = None) -> Any:
                data = json.dumps(body).encode() if body is not None else b""
                answer = client.http.request(method, path, headers={"Content-Type": "application/json"}, body=data)
                answers.append(f"{answer.headers} {answer.body!r}")
                return json.loads(answer.body)

            submitted = http("POST", "/api/workflow", workflow(echo))
            instance_id = http("POST", f"/api/workflow/trigger/{submitted['execution_id']}", {})["instance_id"]
            drain(app, queue)
            status = http("GET", f"/api/workflows/{instance_id}")
            results = http("GET", f"/api/workflows/{instance_id}/results")["results"]
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.getLogger("urllib3").setLevel(logging.WARNING)
    with redis.Redis.from_url(valkey_url) as store:
        stored = everything_in(store)
    app.redis.close()

    # The service received it unchanged.
    call = next(seen for seen in Echo.seen if seen["body"])
    assert call["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(call["body"])["password"] == PASSWORD and call["query"]["password"] == [PASSWORD]
    assert len(Echo.seen) == 5

    # The rest of the result is still usable.
    assert {id for id, found in status["nodes"].items() if found["status"] == "COMPLETED"} == {
        *("input", "call", "again", "own", "output")
    }
    assert results["input"] == {"default": "***"}
    assert results["call"]["body"]["authorization"] == "Bearer ***"
    assert results["call"]["body"]["number"] == 4711
    assert results["own"]["config"] == {"user": "me", "password": "***", "number": 0}
    assert results["output"][0] == "***"
    assert "answered 401" in status["nodes"]["refused"]["error"]["message"]
    assert status["nodes"]["own_fails"]["attempt"] == 2

    # It is nowhere else.
    written = capsys.readouterr().err
    assert "config is" in written and "no such user" in written and "***" in written
    assert len(messages) > 4 and "in-" in stored
    for text in (stored, "\n".join(answers), written, "\n".join(messages)):
        assert leaks(text) == []


def test_a_secret_is_nowhere_on_the_disk_of_a_whole_stack(echo: str, tmp_path: Path) -> None:
    """With real processes and the real queue: logs, Redis' append-only file, the file for `chalice local`, answers."""
    document = workflow(echo)
    own = ("own", "own_fails", "bad_config", "output")
    document["dag"]["nodes"] = [node for node in document["dag"]["nodes"] if node["id"] not in own]
    answers = []

    def http(url: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as answer:
            answers.append(f"{answer.headers} {(read := answer.read())!r}")
        return json.loads(read)

    with running_stack(tmp_path / "data", {"LOG_LEVEL": "DEBUG", "WORKERS": "1", **ENVIRONMENT}) as stack:
        id = http(f"{stack.url}/api/workflow", document)["execution_id"]
        instance = http(f"{stack.url}/api/workflow/trigger/{id}", {})["instance_id"]
        status = http(f"{stack.url}/api/workflows/{instance}?wait=25")
        results = http(f"{stack.url}/api/workflows/{instance}/results")["results"]
    assert status["status"] == "FAILED" and results["call"]["body"]["authorization"] == "Bearer ***"
    assert any(seen["authorization"] == f"Bearer {TOKEN}" for seen in Echo.seen)
    files = {path.name: path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()}
    assert {"stack.log", "env"} <= set(files) and any(instance in files[name] for name in files if "aof" in name)
    for name, text in [*files.items(), ("answers", "\n".join(answers))]:
        assert leaks(text) == [], name


def test_a_missing_secret_fails_the_node_at_once(valkey_url: str) -> None:
    queue = MemoryQueue()
    app = application(valkey_url, queue)
    nodes = [node("a", "noop", {"x": "{{ secrets.NOT_THERE }}"}, retry_policy={"max_attempts": 3})]
    submitted = app.submission.submit(json.dumps({"name": "m", "dag": {"nodes": nodes}}).encode(), None)
    instance_id = app.triggering.trigger(submitted.execution_id, b"", None).instance_id
    drain(app, queue)
    found = app.status.of(instance_id).nodes["a"]
    error = some(found.error)
    assert (found.status, found.attempt, error.type) == ("FAILED", 1, "MissingSecret")
    assert error.message == ("there is no secret `NOT_THERE`: put it into the worker's environment as SECRET_NOT_THERE")
    app.redis.close()


def test_where_secrets_are_may_be_away_for_a_while(valkey_url: str) -> None:
    class Away:
        calls = 0

        def fetch(self, names: Any) -> dict[str, str]:
            self.calls += 1
            if self.calls < 3:
                raise SecretsUnavailable("throttled")
            return dict.fromkeys(names, "value")

        def place(self, name: str) -> str:
            return name

    queue = MemoryQueue()
    app = application(valkey_url, queue)
    app.vault = Vault(Away(), keep_seconds=1, clock=app.clock)
    again = {"max_attempts": 3, "initial_backoff_seconds": 0}
    nodes = [node("a", "noop", {"x": "{{ secrets.THERE }}"}, retry_policy=again)]
    submitted = app.submission.submit(json.dumps({"name": "m", "dag": {"nodes": nodes}}).encode(), None)
    instance_id = app.triggering.trigger(submitted.execution_id, b"", None).instance_id
    drain(app, queue)
    found = app.status.of(instance_id).nodes["a"]
    assert (found.status, found.attempt) == ("COMPLETED", 3)
    app.redis.close()
