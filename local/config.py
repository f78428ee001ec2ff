"""The configuration of a local run, from the caller's environment, and the environment of its children."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field, field_validator

from chalicelib.settings import Environment
from local.processes import ROOT
from local.sockets import free_port, is_free

ANY_ADDRESS = ("", "0.0.0.0", "::")


class BadConfiguration(RuntimeError):
    """A port, a folder or a backend that the run cannot use. The message says what to do."""


class Config(Environment):
    """`redis_url` and `aws_endpoint_url` name the caller's own servers; None means an embedded one, whose port may be
    fixed: 0 takes any. The service's own settings check these URLs."""

    host: str = "127.0.0.1"
    allow_public: bool = False
    port: int = Field(8000, ge=1, le=65535)
    workers: int = Field(2, ge=1, le=64)
    http_processes: int = Field(2, ge=1, le=64)
    data_dir: Path = Field(Path(".data"), validate_default=True)
    redis_url: str | None = Field(None, repr=False)
    aws_endpoint_url: str | None = None
    queue_url: str | None = None
    dead_letter_queue_url: str | None = None
    valkey_port: int = Field(0, ge=0, le=65535)
    localstack_port: int = Field(0, ge=0, le=65535)
    visibility_seconds: int = Field(60, ge=1, le=43200)
    sweep_interval: float = Field(1, ge=0.01, le=3600)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Config:
        """Raises BadSettings."""
        return cls.from_environment(environ)

    @field_validator("data_dir")
    @classmethod
    def _is_a_folder(cls, path: Path) -> Path:
        path = (ROOT / path).resolve()
        if reason := why_not_writable(path):
            raise ValueError(reason)
        return path

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        if not _is_loopback(self.host) and not self.allow_public:
            says = (
                "it would let other machines in, and a local run asks nobody who they are: leave HOST out "
                "and put something before it that does, or say ALLOW_PUBLIC=1 in a network that you trust"
            )
            yield "host", says, ("host", "allow_public")
        elif reason := _why_not_here(self.host):
            yield "host", reason, ("host",)
        taken = {"port": self.port}
        for name, url, port in (
            ("valkey_port", "redis_url", self.valkey_port),
            ("localstack_port", "aws_endpoint_url", self.localstack_port),
        ):
            if port and getattr(self, url):
                yield name, f"{url.upper()} names a server of your own: leave one of them out", (name, url)
            elif same := next((other for other in taken if port and taken[other] == port), None):
                yield name, f"{same.upper()} is the same: they need one each", (name, same)
            taken[name] = port
        if bool(self.queue_url) != bool(self.dead_letter_queue_url):
            lacks = "queue_url" if self.dead_letter_queue_url else "dead_letter_queue_url"
            has = "dead_letter_queue_url" if self.dead_letter_queue_url else "queue_url"
            yield has, f"{lacks.upper()} has to be set as well, or neither: then both are made", (has, lacks)
        elif self.queue_url and not self.aws_endpoint_url:
            says = "it needs AWS_ENDPOINT_URL, which says where that queue is; without both, one is made"
            yield "queue_url", says, ("queue_url", "aws_endpoint_url")

    def check_port(self) -> None:
        """Raises BadConfiguration unless the HTTP server could listen."""
        try:
            free = is_free(self.port, self.host)
        except OSError as error:
            raise BadConfiguration(f"HOST={self.host} is no address of this machine ({error})") from error
        if not free:
            raise BadConfiguration(
                f"port {self.port} (HTTP) is in use or not allowed: set another one with PORT=..., "
                f"for example `make run PORT={free_port()}`"
            )

    @property
    def reachable_host(self) -> str:
        """The host to connect to, which `host` is not if it stands for every address."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def base_url(self) -> str:
        """The URL at which a browser on this machine finds the API."""
        host = self.reachable_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why_not_here(host: str) -> str | None:
    """The reason why no server of this machine can listen there, or None."""
    try:
        is_free(0, host)  # port 0 stands for any, and one is always free
    except (OSError, UnicodeError) as error:
        return f"it is no address of this machine ({error}): leave HOST out, or take 127.0.0.1, ::1 or localhost"
    return None


def why_not_writable(path: Path) -> str | None:
    """The reason why no file can be created in this folder, which need not exist yet; or None."""
    there = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not there.is_dir():
        return f"{there} is not a folder: name one, or a place where one can be made"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written by this user: name a folder that can"
    return None


def child_environment(environ: Mapping[str, str], *, redis_url: str, endpoint_url: str) -> dict[str, str]:
    """The environment of HTTP, the workers and the poller: the caller's, defaults, and where the backends are."""
    loopback = "127.0.0.1,localhost"
    defaults = {
        "AWS_REGION": environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "ALLOW_PRIVATE_ADDRESSES": "true",
        "LOG_FORMAT": "text",
        "METRICS": "prometheus",
        "LEASE_SECONDS": "10",
        "RESEND_SECONDS": "10",
        "SWEEP_INTERVAL": "1",
        "PYTHONUNBUFFERED": "1",
    }
    if "AWS_PROFILE" not in environ and "AWS_ACCESS_KEY_ID" not in environ:
        defaults |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    made = {**defaults, **{name: value for name, value in environ.items() if value.strip()}}
    if (host := (environ.get("HOST") or "").strip()) not in ANY_ADDRESS:  # the address that it listens on is its name
        made["ALLOWED_HOSTS"] = ",".join(filter(None, [made.get("ALLOWED_HOSTS", ""), host]))
    made["AWS_DEFAULT_REGION"] = made["AWS_REGION"]
    made["REDIS_URL"] = redis_url
    made["AWS_ENDPOINT_URL"] = endpoint_url
    made["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH", "")]))
    for name in ("NO_PROXY", "no_proxy"):  # a proxy must not receive what is meant for the loopback address
        made[name] = ",".join(filter(None, [environ.get(name, ""), loopback]))
    return made
