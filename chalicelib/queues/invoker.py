"""Invokes the scheduler function on AWS Lambda, asynchronously."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalicelib.tracing.tracer import Carrier, nothing


class LambdaInvoker:
    """See queues/protocol.py. `client` makes the boto3 Lambda client; it is asked for once, at the first use."""

    def __init__(self, client: Callable[[], Any], function: str, carrier: Carrier = nothing) -> None:
        self._client = client
        self._function = function
        self._carrier = carrier

    def invoke(self, instance_id: str) -> None:
        """Raises botocore's errors; who calls knows that the sweep stands behind."""
        self._client().invoke(
            FunctionName=self._function,
            InvocationType="Event",
            Payload=json.dumps({"instance_id": instance_id, **self._carrier(instance_id)}).encode(),
        )
