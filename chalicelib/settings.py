"""Every setting, validated once. Only the composition root makes one from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment, names in capitals (`REDIS_URL`, `QUEUE_URL`, ...)."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    # where things are
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_cluster: bool = False
    aws_endpoint_url: str | None = None
    aws_region: str = Field("us-east-1", validation_alias="AWS_REGION")
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
    max_result_bytes: int = 1024 * 1024

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
    llm_api_key: str = ""
    llm_model: str = ""
    bedrock_model_id: str = ""

    # logs
    log_level: str = "INFO"
    log_format: Literal["json", "text"] = "json"

    @property
    def handler_module_names(self) -> list[str]:
        return [name.strip() for name in self.handler_modules.split(",") if name.strip()]
