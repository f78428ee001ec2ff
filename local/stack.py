"""The stack of a local run: its backends, their queues, and the processes of the service that use them."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from typing import Any

from chalicelib.settings import Settings
from local import backends, env_file, folder, health, queues
from local.backends import Backends
from local.child import Child
from local.config import BadConfiguration, Config, child_environment
from local.console import Console
from local.processes import Missing, NotReady
from local.supervisor import GivenUp, PortTaken, Supervisor


class Stack:
    """Starts everything that `config` asks for, and ends it. Without `http` the HTTP side is left out."""

    def __init__(self, config: Config, console: Console, *, http: bool = True) -> None:
        self._config = config
        self._console = console
        self._http = http
        self._supervisor = Supervisor(console)

    def run(self) -> int:
        """Until SIGINT, SIGTERM or SIGHUP (0), or until a vital process cannot be kept alive (1)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._supervisor.stop())
        with ExitStack() as exits:
            try:
                self._hold_data_dir(exits)
                exits.callback(self._supervisor.end)
                if self._http:
                    self._config.check_port()
                self._start()
                self._announce()
                self._supervisor.watch()
            except (BadConfiguration, Missing, GivenUp) as error:
                self._say(str(error))
                return 1
            except OSError as error:
                self._say(
                    f"{error.filename or 'a file or a process'}: {error.strerror}: see to it, or set another DATA_DIR"
                )
                return 1 if self._supervisor.children else 2
            except NotReady:
                return 0  # stopped while a child was still starting
        return 0

    def _say(self, text: str) -> None:
        self._console.line("stack", text)

    def _hold_data_dir(self, exits: ExitStack) -> None:
        """Until every child has ended: two servers on one append-only file would ruin it."""
        try:
            exits.enter_context(folder.held(self._config.data_dir))
        except folder.NotOurs as error:
            raise BadConfiguration(f"{error}: set another folder with DATA_DIR=...") from error
        except folder.InUse as error:
            raise BadConfiguration(f"{error}: end it, or set another one with DATA_DIR=...") from error

    def _start(self) -> None:
        """Start the backends, both at once; then what uses them."""
        found = self._start_backends()
        self._check_redis(found.redis_url)

        env = child_environment(os.environ, redis_url=found.redis_url, endpoint_url=found.endpoint_url)
        urls = self._make_queues(env)
        env |= {"QUEUE_URL": urls.queue, "DEAD_LETTER_QUEUE_URL": urls.dead_letters}
        env |= {"HOST": self._config.host, "PORT": str(self._config.port)}
        env |= {"HTTP_PROCESSES": str(self._config.http_processes)}
        for child in found.children:
            if child.name == "localstack":  # its queues do not survive it
                child.after = functools.partial(self._make_queues, env)
        env["PROMETHEUS_MULTIPROC_DIR"] = self._make_metrics_dir()
        if not env.get("VALUES_URL"):
            env["VALUES_URL"] = (self._config.data_dir / folder.VALUES).as_uri()
        env_file.write(self._config.data_dir, env)
        self._supervisor.start(self._service(env))

    def _start_backends(self) -> Backends:
        """A port that was free may be taken by the time that its server starts: then the ports are looked at again,
        and a fixed one is refused by its name. Raises BadConfiguration."""
        while True:
            found = backends.choose(self._config, self._say)
            try:
                self._supervisor.start(found.children)
            except PortTaken as error:
                self._say(str(error))
                self._supervisor.discard()
            else:
                return found

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
        """Create the queues at the endpoint, unless the caller named two on an endpoint of their own."""
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
        """The folder for the counts of this run's processes; those of the last run are deleted."""
        directory = self._config.data_dir / folder.METRICS
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return str(directory)

    def _service(self, env: dict[str, str]) -> list[Child]:
        """HTTP, the workers and the poller."""

        def child(name: str, module: str, **more: Any) -> Child:
            return Child(name, [sys.executable, "-m", f"local.{module}"], env=env | {"METRICS_PROCESS": name}, **more)

        made = [child(f"worker-{n}", "worker") for n in range(1, self._config.workers + 1)]
        made.append(child("poller", "poller"))
        if self._http:
            place = (self._config.host, self._config.port)
            made.insert(0, child("http", "server", ready=self._answers, vital=True, place=place))
        return made

    def _answers(self) -> bool:
        answer = health.ask(self._config.reachable_host, self._config.port, "/api/health", seconds=5)
        # Without its store or queue it answers 503, which starting it again would not mend.
        return answer is not None and answer[0] in (200, 503)

    def _announce(self) -> None:
        base = self._config.base_url
        if self._http:
            places = {"page": "/ui", "API": "", "docs": "/docs", "health": "/health"}
            urls = "  ".join(f"{name} {base}/api{path}" for name, path in places.items())
            self._console.plain(f"Ready: {urls}  (Ctrl-C ends it)")
        else:
            self._console.plain("Ready: everything but HTTP. In another terminal: make local-http  (Ctrl-C ends it)")
