"""What a local run is made of: the caller's environment, ports that are free, and the environment of the children."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.processes import ROOT, free_port, is_free

ANY_ADDRESS = ("", "0.0.0.0", "::")


class BadConfiguration(RuntimeError):
    """A setting or a port that the run cannot go on with. The message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """`redis_url` and `aws_endpoint_url` are the caller's own servers; None means an embedded one, whose port may be
    fixed: 0 takes any."""

    host: str
    port: int
    workers: int
    data_dir: Path
    redis_url: str | None
    aws_endpoint_url: str | None
    valkey_port: int
    localstack_port: int
    visibility_seconds: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Config:
        """Raises BadConfiguration."""
        host = environ.get("HOST") or "127.0.0.1"
        if not _is_loopback(host) and environ.get("ALLOW_PUBLIC") != "1":
            raise BadConfiguration(
                f"HOST={host} would let other machines in, and a local run asks nobody who they are: leave HOST out "
                "and put something before it that does, or say ALLOW_PUBLIC=1 in a network that you trust"
            )
        return cls(
            host=host,
            port=_number(environ, "PORT", 8000, most=65535),
            workers=_number(environ, "WORKERS", 2, least=0, most=64),
            data_dir=(ROOT / (environ.get("DATA_DIR") or ".data")).resolve(),
            redis_url=environ.get("REDIS_URL") or None,
            aws_endpoint_url=environ.get("AWS_ENDPOINT_URL") or None,
            valkey_port=_number(environ, "VALKEY_PORT", 0, least=0, most=65535),
            localstack_port=_number(environ, "LOCALSTACK_PORT", 0, least=0, most=65535),
            visibility_seconds=_number(environ, "VISIBILITY_SECONDS", 60, most=43200),
        )

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
    def base_url(self) -> str:
        """Where a browser on this machine finds the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(environ: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadConfiguration(f"{name}={text}: a whole number from {least} to {most} is expected")
    return int(text)


def pick_port(name: str, default: int, say: Callable[[str], None]) -> int:
    """The default where it is free, else any that is, which is said."""
    if is_free(default):
        return default
    port = free_port()
    say(f"port {default} ({name}) is in use; {name} takes {port}")
    return port


def child_environment(environ: Mapping[str, str], *, redis_url: str, endpoint_url: str) -> dict[str, str]:
    """What HTTP, the workers and the poller see. The caller's own values win, save for where the servers are."""
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
    made = {**defaults, **{name: value for name, value in environ.items() if value != ""}}
    if (host := environ.get("HOST") or "") not in ANY_ADDRESS:  # what one listens on is one's own name
        made["ALLOWED_HOSTS"] = ",".join(filter(None, [made.get("ALLOWED_HOSTS", ""), host]))
    made["AWS_DEFAULT_REGION"] = made["AWS_REGION"]
    made["REDIS_URL"] = redis_url
    made["AWS_ENDPOINT_URL"] = endpoint_url
    made["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH", "")]))
    for name in ("NO_PROXY", "no_proxy"):  # a proxy of the company must not get what is meant for the loopback
        made[name] = ",".join(filter(None, [environ.get(name, ""), loopback]))
    return made
