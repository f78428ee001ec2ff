"""`invoke_lambda`: any Lambda function by name, so that a step can be written in any language."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import Field

from chalicelib.core import strictjson
from chalicelib.core.handler import Handler
from chalicelib.errors import DoNotRetry
from chalicelib.handlers.api import Config, handler

# Lambda's error codes for which a retry would fail as well.
_FINAL = frozenset(
    {"ResourceNotFoundException", "AccessDeniedException", "InvalidParameterValueException", "RequestTooLargeException"}
)


class InvokeLambda(Config):
    function_name: str = Field(min_length=1, max_length=170, description="name or ARN")
    payload: Any = Field(default_factory=dict)
    qualifier: str | None = Field(None, min_length=1, max_length=128, description="version or alias")


class FunctionFailed(Exception):
    """The function raised an error, or could not be run."""


def invoke_handler(client: Callable[[], Any]) -> Handler:
    """Make the handler. `client` makes the boto3 `lambda` client, and is called at the first use."""

    @handler("invoke_lambda", waits=True)
    def invoke_lambda(config: InvokeLambda) -> Any:
        """Invokes a Lambda function and waits; yields what it answers."""
        request = {"FunctionName": config.function_name, "Payload": strictjson.dumps(config.payload).encode()}
        if config.qualifier is not None:
            request["Qualifier"] = config.qualifier
        try:
            answer = client().invoke(InvocationType="RequestResponse", **request)
            payload = answer["Payload"].read()  # raises if the connection ends before the payload does
        except Exception as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            if code in _FINAL:
                raise DoNotRetry(f"Lambda refused `{config.function_name}`: {error}"[:500]) from None
            raise FunctionFailed(f"`{config.function_name}` could not be invoked: {error}"[:500]) from None
        # A result must be JSON that can be stored. The text of an error is reported as it is.
        parse = json.loads if answer.get("FunctionError") else strictjson.received
        try:
            result = parse(payload) if payload else None
        except (ValueError, RecursionError):
            raise FunctionFailed(f"`{config.function_name}` answered something that is not JSON") from None
        if answer.get("FunctionError"):
            details = result if isinstance(result, dict) else {}
            kind, message = details.get("errorType", answer["FunctionError"]), details.get("errorMessage", "")
            raise FunctionFailed(f"`{config.function_name}` failed: {kind}: {message}"[:500])
        return result

    return invoke_lambda
