"""Every setting, validated once. Only the composition root makes one from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class Settings(BaseModel):
    """In the environment the names are in capitals: `REDIS_URL`, `QUEUE_URL`, ..."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

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
    aws_region: str = "us-east-1"
    queue_url: str = ""
    queue_name: str = "dag-service"
    dead_letter_queue_url: str = ""
    scheduler_function: str = ""

    # how it runs
    scheduling: Literal["inline", "lambda"] = "inline"
    lease_seconds: float = Field(30, gt=0)
    resend_seconds: float = Field(30, gt=0)
    max_lost: int = Field(5, ge=1, description="leases a node may lose before it is FAILED")
    default_timeout_seconds: float = Field(60, gt=0)
    hop_seconds: float = Field(10, ge=0, description="how long a worker may run on from child to child; 0 turns it off")
    retention_seconds: int = Field(7 * 86400, ge=1)
    workflow_retention_seconds: int = Field(90 * 86400, ge=1)
    idempotency_seconds: int = Field(86400, ge=1)

    # limits
    max_body_bytes: int = 5 * 1024 * 1024
    max_nodes: int = 10_000
    max_depth: int = 64
    max_result_bytes: int | None = Field(None, ge=1, description="unless set, 1 MiB; with VALUES_URL 16 MiB")
    max_answer_bytes: int = Field(5 * 1024 * 1024, description="of the results in one answer; others have a link")

    # large results
    values_url: str = Field("", description="where they go: s3://BUCKET/PREFIX, file:///FOLDER, or nowhere")
    large_result_bytes: int = Field(256 * 1024, ge=1, description="what is larger goes there")

    # above which new instances are refused; 0 turns one off
    max_backlog: int = Field(100_000, ge=0, description="messages that wait in the queue")
    max_memory_share: float = Field(0.9, ge=0, le=1, description="of the store's maxmemory")
    max_late: int = Field(1000, ge=0, description="instances that the sweep should have looked at LATE_SECONDS ago")
    late_seconds: float = Field(300, gt=0)

    # handlers
    handler_modules: str = Field("", description="comma-separated modules with your own handlers")
    allow_private_addresses: bool = False
    max_response_bytes: int = 1024 * 1024
    llm_base_url: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_model: str = ""
    bedrock_model_id: str = ""

    # access
    api_auth: Literal["none", "api_key", "iam"] = "none"
    cors_origins: str = Field("", description="comma-separated origins whose pages may call the API from a browser")
    allowed_hosts: str = Field("", description="comma-separated names that a local run answers to, beside localhost")
    secrets: Literal["environment", "ssm", "secretsmanager"] = "environment"
    secrets_prefix: str = Field("SECRET_", min_length=1, description="what comes before NAME where secrets are kept")
    secrets_keep_seconds: float = Field(300, ge=0)

    # metrics, logs and traces
    metrics: Literal["none", "emf", "prometheus"] = "none"
    metrics_service: str = Field("dag-service", min_length=1, description="the dimension `service` in CloudWatch")
    metrics_process: str = Field("", description="the name of this process beside others, for prometheus")
    prometheus_multiproc_dir: str = Field("", description="where the processes of one machine keep their metrics")
    aws_lambda_function_memory_size: int = Field(512, gt=0, description="in MB, set by Lambda: what a second costs")
    tracing: Literal["none", "otlp"] = Field("none", description="otlp: see OpenTelemetry's OTEL_* variables")
    log_level: str = "INFO"
    log_format: Literal["json", "text"] = "json"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Of what `environment` sets, and the defaults. Raises pydantic's ValidationError, which shows no value."""
        given = {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        return cls.model_validate(given)

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, url: str) -> str:
        # Here, because what redis-py and urllib say of a URL may quote the password in it.
        try:
            sound = urlsplit(url).scheme in ("redis", "rediss", "unix") and urlsplit(url).port != 0
        except ValueError:
            sound = False
        if not sound:
            raise ValueError("REDIS_URL is not of the form redis[s]://user:password@host:port/0, percent-encoded")
        return url

    @field_validator("values_url")
    @classmethod
    def _is_a_place(cls, url: str) -> str:
        if url and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?|file:///[^?#]+", url):
            raise ValueError("VALUES_URL is not of the form s3://BUCKET/PREFIX or file:///FOLDER")
        return url

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str) -> str:
        for origin in _parts(given):
            if not re.fullmatch(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", origin):
                raise ValueError(f"CORS_ORIGINS: `{origin}` is not of the form https://name[:port], with no path")
        return given

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, given: str) -> str:
        for host in _parts(given):
            if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
                raise ValueError(f"ALLOWED_HOSTS: `{host}` is no name or address, without a port")
        return given

    @model_validator(mode="after")
    def _iam_is_complete(self) -> Settings:
        named = self.redis_username and self.redis_cache_name
        if self.redis_auth == "iam" and not (named and self.redis_url.startswith("rediss:")):
            raise ValueError("REDIS_AUTH=iam needs REDIS_USERNAME, REDIS_CACHE_NAME and a REDIS_URL with rediss://")
        return self

    @property
    def result_limit(self) -> int:
        """Of one result, in bytes. A worker needs up to 15 times as much memory for it, and has 512 MB."""
        return self.max_result_bytes or (16 if self.values_url else 1) * 1024 * 1024

    @property
    def passwords(self) -> list[str]:
        """What no log may show."""
        in_url = unquote(urlsplit(self.redis_url).password or "")
        given = [in_url, self.redis_password.get_secret_value(), self.llm_api_key.get_secret_value()]
        return [password for password in given if password and "{{" not in password]

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(_parts(self.cors_origins))

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(_parts(self.allowed_hosts))

    @property
    def handler_module_names(self) -> list[str]:
        return [name.strip() for name in self.handler_modules.split(",") if name.strip()]


def _parts(given: str) -> list[str]:
    return [part.strip().lower() for part in given.split(",") if part.strip()]
