"""Invokes the scheduler function on AWS Lambda, asynchronously."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalicelib.tracing.tracer import Carrier, nothing


class LambdaInvoker:
    """See queues/protocol.py. `client` returns the boto3 Lambda client, and is first called by the first invocation."""

    def __init__(self, client: Callable[[], Any], function: str, carrier: Carrier = nothing) -> None:
        self._client = client
        self._function = function
        self._carrier = carrier

    def invoke(self, instance_id: str) -> None:
        """Raises botocore's errors. After one, the sweep does what the function would have done."""
        self._client().invoke(
            FunctionName=self._function,
            InvocationType="Event",
            Payload=json.dumps({"instance_id": instance_id, **self._carrier(instance_id)}).encode(),
        )
