"""The supervisor of a local run: every process of the service, kept alive, and none left behind."""

from __future__ import annotations

import fcntl
import functools
import http.client
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

from chalicelib.errors import BadSettings
from chalicelib.settings import Settings
from local import check, folder, localstack, queues, valkey
from local.child import Child
from local.config import BadConfiguration, Config, child_environment, pick_port
from local.console import Console
from local.processes import ROOT, Missing, NotReady, describe, tail, wait_ready
from local.sockets import is_served

READY_SECONDS = 60
STOP_SECONDS = 11  # a worker takes at most 10 for the batch in hand
EXPORTED = (
    *("AWS_", "REDIS_", "QUEUE_", "DEAD_", "ALLOW_", "LOG_", "LEASE_", "RESEND_", "LLM_", "BEDROCK_", "HANDLER_"),
    *("METRICS", "PROMETHEUS_", "VALUES_"),
    *("HOST", "PORT", "SWEEP_"),  # where HTTP is, and what counts as late: for `make doctor`
)


class GivenUp(RuntimeError):
    """A vital process could not be kept alive."""


class PortTaken(GivenUp):
    """A server of somebody else listens where one of ours was to."""


class Supervisor:
    """Made of `config`; `run` starts everything and returns the exit code once it has ended everything."""

    def __init__(self, config: Config, console: Console, *, http: bool = True) -> None:
        self._config = config
        self._console = console
        self._http = http
        self._stopping = threading.Event()
        self._children: list[Child] = []

    def run(self) -> int:
        """Until SIGINT, SIGTERM or SIGHUP (0), or until something vital cannot be kept alive (1)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        with ExitStack() as exits:
            exits.callback(self._end)
            try:
                self._claim_data_dir(exits)
                if self._http:
                    self._config.check_port()
                self._start_all()
                self._announce()
                self._watch()
            except (BadConfiguration, Missing, GivenUp) as error:
                self._say(str(error))
                return 1
            except OSError as error:
                self._say(
                    f"{error.filename or 'a file or a process'}: {error.strerror}: see to it, or set another DATA_DIR"
                )
                return 1 if self._children else 2
            except NotReady:
                return 0  # told to stop while something was still starting
        return 0

    def _say(self, text: str) -> None:
        self._console.line("stack", text)

    def _claim_data_dir(self, exits: ExitStack) -> None:
        """Two servers on one append-only file would ruin it."""
        directory = self._config.data_dir
        try:
            folder.claim(directory)
        except folder.NotOurs as error:
            raise BadConfiguration(f"{error}: set another folder with DATA_DIR=...") from error
        lock = exits.enter_context((directory / folder.LOCK).open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadConfiguration(
                f"a local run uses {directory} already: end it, or set another one with DATA_DIR=..."
            ) from error
        lock.truncate(0)  # only now: until here it may be another run's
        print(os.getpid(), file=lock, flush=True)  # for `make doctor`

    def _start_all(self) -> None:
        """The servers first, both at once; then what uses them."""
        redis_url, endpoint = self._start_servers()
        self._check_redis(redis_url)

        env = child_environment(os.environ, redis_url=redis_url, endpoint_url=endpoint)
        urls = self._make_queues(env)
        env |= {"QUEUE_URL": urls.queue, "DEAD_LETTER_QUEUE_URL": urls.dead_letters}
        env |= {"HOST": self._config.host, "PORT": str(self._config.port)}
        for child in self._children:
            if child.name == "localstack":  # its queues do not survive it
                child.after = functools.partial(self._make_queues, env)
        env["PROMETHEUS_MULTIPROC_DIR"] = self._make_metrics_dir()
        if not env.get("VALUES_URL"):
            env["VALUES_URL"] = (self._config.data_dir / folder.VALUES).as_uri()
        self._write_env(env)

        def user(name: str, module: str, **more: Any) -> Child:
            return Child(name, _module(module), env=env | {"METRICS_PROCESS": name}, **more)

        users = [user(f"worker-{n}", "worker") for n in range(1, self._config.workers + 1)]
        users.append(user("poller", "poller"))
        if self._http:
            place = (self._config.host, self._config.port)
            users.insert(0, user("http", "server", ready=self._answers, vital=True, place=place))
        self._children += users
        self._start(users)

    def _start_servers(self) -> tuple[str, str]:
        """Their URLs. A port may be taken between the look at it and the server's start: then there is another look,
        which refuses a fixed one by its name. Raises BadConfiguration."""
        while True:
            redis_url = self._config.redis_url or self._add_valkey()
            endpoint = self._config.aws_endpoint_url or self._add_localstack()
            try:
                self._start(self._children)
            except PortTaken as error:
                self._say(str(error))
                for child in self._children:
                    child.end(child.grace_seconds)
                self._children.clear()
            else:
                return redis_url, endpoint

    def _add_valkey(self) -> str:
        port = pick_port("Valkey", valkey.DEFAULT_PORT, self._say, fixed=self._config.valkey_port)
        directory = self._config.data_dir / "valkey"
        directory.mkdir(exist_ok=True)
        self._add_server("valkey", port, valkey.command(port, directory), dict(os.environ), valkey.is_ready)
        return valkey.url(port)

    def _add_localstack(self) -> str:
        port = pick_port("LocalStack", localstack.DEFAULT_PORT, self._say, fixed=self._config.localstack_port)
        env = localstack.environment(port, self._config.data_dir / "localstack")
        self._add_server("localstack", port, localstack.command(), env, localstack.is_ready)
        return localstack.url(port)

    def _add_server(self, name: str, port: int, argv: list[str], env: dict[str, str], answers: Any) -> None:
        log = self._config.data_dir / f"{name}.log"
        log.write_bytes(b"")
        ready, place = functools.partial(answers, port), ("127.0.0.1", port)
        self._children.append(
            Child(name, argv, env=env, ready=ready, log=log, vital=True, grace_seconds=3, place=place)
        )

    def _check_redis(self, url: str) -> None:
        import redis

        from chalicelib.composition import Application

        # The URL itself is not shown: there may be a password in it.
        settings = Settings.from_environment(os.environ | {"REDIS_URL": url})
        try:
            login = Application(settings).login.options(url)
            with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3, **login) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            raise BadConfiguration(f"the store at REDIS_URL does not answer: {error}") from error

    def _make_queues(self, env: dict[str, str]) -> queues.QueueUrls:
        """The caller's own where QUEUE_URL names them on an endpoint of theirs, else made on the endpoint."""
        given = os.environ.get("QUEUE_URL"), os.environ.get("DEAD_LETTER_QUEUE_URL")
        if self._config.aws_endpoint_url and given[0] and given[1]:
            return queues.QueueUrls(given[0], given[1])
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
            if name in env:
                os.environ.setdefault(name, env[name])  # boto3 looks nowhere else
        sqs = queues.client(env["AWS_ENDPOINT_URL"], env["AWS_REGION"], read_seconds=5)
        try:
            return queues.ensure(
                sqs, env.get("QUEUE_NAME") or "dag-service", visibility_seconds=self._config.visibility_seconds
            )
        except Exception as error:  # botocore's errors have no common root
            raise BadConfiguration(f"no queue on AWS_ENDPOINT_URL={env['AWS_ENDPOINT_URL']}: {error}") from error
        finally:
            sqs.close()

    def _make_metrics_dir(self) -> str:
        """Where the processes of this run keep what they counted; that of the last run is over."""
        directory = self._config.data_dir / folder.METRICS
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return str(directory)

    def _write_env(self, env: dict[str, str]) -> None:
        """For `make local-http`, which runs `chalice local` in another terminal. It may hold the caller's keys."""
        path = self._config.data_dir / folder.ENV_FILE
        lines = [f"export {name}={shlex.quote(env[name])}\n" for name in sorted(env) if name.startswith(EXPORTED)]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(lines)

    def _start(self, children: list[Child]) -> None:
        """Start all, then wait for each."""
        for child in children:
            child.start(self._console)
        for child in children:
            while not self._await(child):
                self._bury(child)
                self._stopping.wait(max(0.0, (child.again_at or 0.0) - time.monotonic()))
                self._stop_check()
                child.start(self._console)

    def _await(self, child: Child) -> bool:
        """Whether it became ready."""
        if child.process is None or child.ready is None:
            return True
        try:
            wait_ready(child.process, child.ready, seconds=READY_SECONDS, stopped=self._stopping.is_set)
        except NotReady as error:
            self._stop_check()
            if child.process.poll() is None:
                self._say(f"{child.name} {error}")
                child.end(0)
            return False
        child.was_ready = True
        return True

    def _stop_check(self) -> None:
        if self._stopping.is_set():
            raise NotReady("stopped")

    def _bury(self, child: Child) -> None:
        """Say that it died and when it comes back. Raises GivenUp when it never will."""
        assert child.process is not None
        how = describe(child.process.poll())
        if child.log is not None:
            for line in tail(child.log):
                self._console.line(child.name, line)
        delay = child.note_death()
        if child.place is not None and is_served(child.place[1], child.place[0]):
            raise PortTaken(f"another server took port {child.place[1]} ({child.name}) meanwhile")
        if child.failures and child.last_words:
            how += f": {child.last_words}"
        if child.is_hopeless:
            raise GivenUp(f"{child.name} died again ({how}), giving up")
        if child.is_news(how):
            again = f", {child.failures} times in a row" if child.failures > 1 else ""
            self._say(f"{child.name} died ({how}){again}, starting it again in {delay:.1f} s")

    def _watch(self) -> None:
        """Start again whatever dies, until told to stop."""
        while not self._stopping.wait(0.1):
            for child in self._children:
                self._look_after(child)

    def _look_after(self, child: Child) -> None:
        """One step, never a wait: while one is slow to come back, the others may die as well."""
        if child.is_dead:
            self._bury(child)
        elif child.again_at is not None:
            if time.monotonic() >= child.again_at:
                child.start(self._console)
                if child.was_ready and not child.is_silent:
                    self._say(f"{child.name} is back")
        elif not child.was_ready:
            assert child.ready is not None
            if child.ready() and self._follow_up(child):
                child.was_ready = True
                self._say(f"{child.name} is back")
            elif child.age > READY_SECONDS:
                self._say(f"{child.name} did not answer within {READY_SECONDS} s")
                child.end(0)

    def _follow_up(self, child: Child) -> bool:
        """What follows from its being ready. It may be gone again already: then there is another time."""
        try:
            if child.after is not None:
                child.after()
        except BadConfiguration as error:
            self._say(str(error))
            return False
        return True

    def _answers(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._config.host, self._config.host)
        connection = http.client.HTTPConnection(host, self._config.port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            response = connection.getresponse()
            response.read()
            # Without its store or queue it answers 503: to start it again would mend nothing.
            return response.status in (200, 503)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _announce(self) -> None:
        base = self._config.base_url
        if self._http:
            places = {"page": "/ui", "API": "", "docs": "/docs", "health": "/health"}
            told = "  ".join(f"{name} {base}/api{path}" for name, path in places.items())
            self._console.plain(f"Ready: {told}  (Ctrl-C ends it)")
        else:
            self._console.plain("Ready: everything but HTTP. In another terminal: make local-http  (Ctrl-C ends it)")

    def _end(self) -> None:
        """What uses the servers first, so that a batch in hand can still be committed."""
        if self._children:
            self._say("stopping")
        users = [child for child in self._children if child.log is None]
        for child in users:
            child.terminate()
        end = time.monotonic() + STOP_SECONDS
        for child in users:
            child.end(max(0.1, end - time.monotonic()))
        servers = [child for child in self._children if child.log is not None]
        for child in servers:
            child.terminate()
        for child in servers:
            child.end(child.grace_seconds)


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"local.{name}"]


def main(arguments: list[str]) -> int:
    """`python -m local [--no-http]`: the exit code. `--check` looks at the settings only, for `chalice local`."""
    console = Console()
    unknown = [argument for argument in arguments if argument not in ("--no-http", "--check")]
    if unknown:
        console.plain(f"unknown argument {unknown[0]}; usage: python -m local [--no-http] [--check]")
        return 2
    os.chdir(ROOT)
    checked = "--check" in arguments
    for line in check.slips(os.environ):
        console.line("stack", f"warning: {line}")
    try:
        config, _ = check.settings(os.environ, chalice=checked)
        if checked:
            config.check_port()
            return 0
    except BadSettings as error:
        for line in error.faults:
            console.line("stack", line)
        console.line("stack", "nothing was started. What is unset or empty has its default: see docs/settings.md")
        return 2
    except BadConfiguration as error:
        console.line("stack", str(error))
        return 1
    return Supervisor(config, console, http="--no-http" not in arguments).run()
