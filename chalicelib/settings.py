"""Every setting, validated once and together. Only the composition root reads them from the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from chalicelib.errors import BadSettings

# No duration may be longer. Its milliseconds are still exact in Lua.
TEN_YEARS = 10 * 366 * 86400
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Environment(BaseModel):
    """Settings that are read from environment variables, whose names are those of the fields in capitals."""

    # Infinity and NaN are refused: times and limits computed from them overflow, or never end.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings of `environment`. A variable that is missing or empty has the default.

        Raises BadSettings, with every fault.
        """
        named = {name: environment.get(name.upper(), "").strip() for name in cls.model_fields}
        given = {name: value for name, value in named.items() if value}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            from chalicelib import faults  # imported here: a start without a fault does not need it

            raise BadSettings(faults.of(cls, given, error)) from None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = tuple(self.contradictions())
        if found:
            raise Contradictions(found)
        return self

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """The contradictions of valid settings: the setting to report, what is wrong, and all settings involved."""
        yield from ()


class Contradictions(ValueError):
    """Valid settings contradict each other."""

    def __init__(self, found: tuple[tuple[str, str, tuple[str, ...]], ...]) -> None:
        self.found = found
        super().__init__("; ".join(detail for _, detail, _ in found))


class Settings(Environment):
    """The settings of every process of the service: `REDIS_URL`, `QUEUE_URL`, ..."""

    # where things are
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)
    redis_cluster: bool = False
    redis_username: str = ""
    redis_password: SecretStr = SecretStr("")
    redis_tls_ca_file: str = Field("", description="the CAs to trust instead of the system's")
    redis_auth: Literal["password", "iam"] = "password"
    redis_cache_name: str = Field("", description="the name of the ElastiCache cache, for REDIS_AUTH=iam")
    redis_serverless: bool = Field(True, description="whether that cache is ElastiCache Serverless")
    aws_endpoint_url: str | None = None
    aws_region: str = Field("us-east-1", pattern=r"^[A-Za-z0-9-]{1,63}$")
    queue_url: str = ""
    queue_name: str = Field("dag-service", pattern=r"^[A-Za-z0-9_-]{1,75}$")
    dead_letter_queue_url: str = ""
    scheduler_function: str = ""

    # how it runs
    scheduling: Literal["inline", "lambda"] = "inline"
    # A duration that rounds to 0 ms would be no limit, and one of years is a typo.
    lease_seconds: float = Field(30, ge=0.01, le=43200)
    resend_seconds: float = Field(30, ge=0.01, le=43200)
    max_lost: int = Field(5, ge=1, le=1000, description="leases a node may lose before it is FAILED")
    default_timeout_seconds: float = Field(60, ge=0.001, le=840)
    hop_seconds: float = Field(
        10, ge=0, le=900, description="how long a worker may run on from child to child; 0 turns it off"
    )
    # Lambda gives an invocation 1,024 threads and as many open files; a node that waits takes two and one.
    waiting_nodes: int = Field(
        200, ge=1, le=400, description="how many nodes that wait for something else fit into an invocation of a worker"
    )
    first_hop_seconds: float = Field(
        0.02, ge=0, le=5, description="how long a trigger may run the instant nodes at the beginning; 0 turns it off"
    )
    retention_seconds: int = Field(7 * 86400, ge=1, le=TEN_YEARS)
    workflow_retention_seconds: int = Field(90 * 86400, ge=1, le=TEN_YEARS)
    idempotency_seconds: int = Field(86400, ge=1, le=TEN_YEARS)

    # limits
    max_body_bytes: int = Field(5 * 1024 * 1024, ge=1)
    max_nodes: int = Field(10_000, ge=1)
    max_depth: int = Field(64, ge=1, le=200)
    max_result_bytes: int | None = Field(None, ge=1, description="unless set, 1 MiB; with VALUES_URL 16 MiB")
    max_answer_bytes: int = Field(5 * 1024 * 1024, ge=0, description="of the results in one answer; others have a link")

    # large results
    values_url: str = Field("", description="where they are stored: s3://BUCKET/PREFIX, file:///FOLDER, or nowhere")
    large_result_bytes: int = Field(256 * 1024, ge=1, description="larger results are stored there")

    # above which new instances are refused; 0 turns one off
    max_backlog: int = Field(100_000, ge=0, description="messages that wait in the queue")
    max_memory_share: float = Field(0.9, ge=0, le=1, description="of the store's maxmemory")
    max_late: int = Field(1000, ge=0, description="instances that the sweep should have looked at LATE_SECONDS ago")
    late_seconds: float = Field(300, ge=0.01, le=TEN_YEARS)

    # handlers
    handler_modules: str = Field("", description="comma-separated modules with your own handlers")
    allow_private_addresses: bool = False
    max_response_bytes: int = Field(1024 * 1024, ge=1)
    llm_base_url: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_model: str = ""
    bedrock_model_id: str = ""

    # access
    api_auth: Literal["none", "api_key", "iam"] = "none"
    cors_origins: str = Field("", description="comma-separated origins whose pages may call the API from a browser")
    allowed_hosts: str = Field("", description="comma-separated names that a local run answers to, besides localhost")
    secrets: Literal["environment", "ssm", "secretsmanager"] = "environment"
    secrets_prefix: str = Field("SECRET_", min_length=1, description="the prefix of NAME in the source of secrets")
    secrets_keep_seconds: float = Field(300, ge=0, le=TEN_YEARS)

    # metrics, logs and traces
    metrics: Literal["none", "emf", "prometheus"] = "none"
    metrics_service: str = Field("dag-service", min_length=1, description="the dimension `service` in CloudWatch")
    metrics_process: str = Field("", description="the unique name of this process, for prometheus")
    prometheus_multiproc_dir: str = Field("", description="where the processes of one machine keep their metrics")
    aws_lambda_function_memory_size: int = Field(512, gt=0, description="in MB, set by Lambda: what a second costs")
    tracing: Literal["none", "otlp"] = Field("none", description="otlp: see OpenTelemetry's OTEL_* variables")
    log_level: str = "INFO"
    log_format: Literal["json", "text"] = "json"

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, url: str) -> str:
        # Checked here, since errors of redis-py and urllib may quote the password in the URL.
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("redis", "rediss", "unix") and parts.port != 0
            valid = valid and bool(parts.path.strip("/") if parts.scheme == "unix" else parts.hostname)
            valid = valid and (parts.scheme == "unix" or re.fullmatch(r"(/\d*)?", parts.path) is not None)
        except ValueError:
            valid = False
        if not valid or re.search(r"\s", url):
            raise ValueError("the form redis[s]://user:password@host:port/0 is expected, percent-encoded")
        return url

    @field_validator("values_url")
    @classmethod
    def _is_a_place(cls, url: str) -> str:
        if url and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?|file:///[^?#]+|none", url):
            raise ValueError("s3://BUCKET/PREFIX, file:///FOLDER or none is expected")
        return "" if url == "none" else url

    @field_validator("aws_endpoint_url", "llm_base_url", "queue_url", "dead_letter_queue_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url and not is_http_url(url):
            raise ValueError("a URL is expected, of the form http[s]://HOST[:PORT][/PATH]")
        return url

    @field_validator("queue_url", "dead_letter_queue_url")
    @classmethod
    def _is_a_queue(cls, url: str) -> str:
        if url.endswith(".fifo"):
            raise ValueError("this is a FIFO queue: name a standard one, as retries need delays of their own")
        if url and not urlsplit(url).path.strip("/"):
            raise ValueError("a queue's URL is expected, which ends with its name: http[s]://HOST/ACCOUNT/NAME")
        return url

    @field_validator("log_level")
    @classmethod
    def _is_a_level(cls, level: str) -> str:
        if level.upper() not in LEVELS:
            raise ValueError(f"one of {', '.join(LEVELS)} is expected")
        return level.upper()

    @field_validator("handler_modules")
    @classmethod
    def _are_modules(cls, names: str) -> str:
        for name in _names(names):
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"`{name}` is no module's name: it is one as in `import examples.greet_handler`")
        return names

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str) -> str:
        for origin in _names(given.lower()):
            if not re.fullmatch(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", origin):
                raise ValueError(f"`{origin}` is not of the form https://name[:port], with no path")
        return given

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, given: str) -> str:
        for host in _names(given.lower()):
            if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
                raise ValueError(f"`{host}` is no name or address without a port")
        return given

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        tls = self.redis_url.startswith("rediss:")
        if self.redis_auth == "iam" and not (self.redis_username and self.redis_cache_name and tls):
            detail = "it needs REDIS_USERNAME, REDIS_CACHE_NAME and a REDIS_URL with rediss://"
            yield "redis_auth", detail, ("redis_auth", "redis_username", "redis_cache_name", "redis_url")
        if self.redis_cluster and urlsplit(self.redis_url).path.strip("/") not in ("", "0"):
            detail = "a cluster has one database only: let REDIS_URL end with /0, or leave REDIS_CLUSTER out"
            yield "redis_cluster", detail, ("redis_cluster", "redis_url")
        if self.queue_url and self.queue_url == self.dead_letter_queue_url:
            detail = "this is QUEUE_URL, too: dead letters need a queue of their own"
            yield "dead_letter_queue_url", detail, ("queue_url", "dead_letter_queue_url")

    @property
    def result_limit(self) -> int:
        """The most bytes of one result. A worker needs up to 15 times as much memory for it, and has 512 MB."""
        return self.max_result_bytes or (16 if self.values_url else 1) * 1024 * 1024

    @property
    def passwords(self) -> list[str]:
        """The passwords and keys that no log may show."""
        in_url = unquote(urlsplit(self.redis_url).password or "")
        given = [in_url, self.redis_password.get_secret_value(), self.llm_api_key.get_secret_value()]
        return [password for password in given if password and "{{" not in password]

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(_names(self.cors_origins.lower()))

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(_names(self.allowed_hosts.lower()))

    @property
    def handler_module_names(self) -> list[str]:
        return _names(self.handler_modules)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def is_http_url(url: str) -> bool:
    """Whether the text is a usable http:// or https:// URL."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and re.search(r"[\s\x00-\x1f]", url) is None
