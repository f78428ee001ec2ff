"""The queue and its dead-letter queue, on any SQS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MAX_RECEIVES = 5
RETENTION_SECONDS = 14 * 86400


@dataclass(frozen=True, slots=True)
class QueueUrls:
    queue: str
    dead_letters: str


def client(endpoint_url: str | None, region: str = "us-east-1", *, read_seconds: float = 30, **keys: str | None) -> Any:
    """A boto3 SQS client. `read_seconds` must exceed the longest poll; without `keys`, boto3 looks for credentials."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 2}, connect_timeout=3, read_timeout=read_seconds, proxies={}
    )
    return boto3.client("sqs", region_name=region, endpoint_url=endpoint_url, config=config, **keys)


def ensure(sqs: Any, name: str = "dag-service", dead_name: str | None = None, *, visibility_seconds: int) -> QueueUrls:
    """Create both queues, or update the attributes of existing ones. Raises what boto3 raises."""
    dead = sqs.create_queue(QueueName=dead_name or f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    # These are not passed to create_queue, which refuses a queue that exists with other values.
    sqs.set_queue_attributes(
        QueueUrl=dead, Attributes={"MessageRetentionPeriod": str(RETENTION_SECONDS), "VisibilityTimeout": "60"}
    )
    sqs.set_queue_attributes(
        QueueUrl=queue,
        Attributes={
            "VisibilityTimeout": str(visibility_seconds),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}),
        },
    )
    return QueueUrls(queue, dead)
