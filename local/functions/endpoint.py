"""Lambda's Invoke over HTTP, as boto3 calls it: AWS_ENDPOINT_URL_LAMBDA points here.

AWS Lambda API Reference, "Invoke".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from local.functions.environment import FunctionError
from local.functions.function import Function
from local.functions.server import Handler, Server

log = logging.getLogger(__name__)


class Endpoint:
    """Serves `functions`, by name or ARN, until closed.

    An asynchronous event (`InvocationType: Event`) is answered with 202 and then run once, whereas AWS would retry a
    failed one after a minute.
    """

    def __init__(self, functions: Mapping[str, Function], *, threads: int = 8) -> None:
        self._functions = functions
        self._later = ThreadPoolExecutor(threads, thread_name_prefix="lambda-event")
        self._server = Server(_invoke(self))

    @property
    def url(self) -> str:
        return f"http://{self._server.address}"

    def close(self) -> None:
        self._server.close()
        self._later.shutdown(cancel_futures=True)

    def function(self, name: str) -> Function | None:
        """The function by `name`, `name:alias`, or an ARN with or without an alias."""
        if name.startswith("arn:"):
            name = name.split(":", 6)[6]
        return self._functions.get(name.split(":")[0])

    def later(self, function: Function, payload: bytes) -> None:
        self._later.submit(self._run, function, payload)

    def _run(self, function: Function, payload: bytes) -> None:
        try:
            function.invoke(payload)
        except FunctionError as error:
            log.warning("%s failed on an asynchronous event: %s", function.name, error)


def _invoke(endpoint: Endpoint) -> type[Handler]:
    class Invoke(Handler):
        def do_POST(self) -> None:
            payload = self.body() or b"{}"
            name = unquote(self.path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations"))
            function = endpoint.function(name)
            if function is None:
                message = json.dumps({"Type": "User", "Message": f"Function not found: {name}"})
                self.answer(404, message.encode(), {"X-Amzn-ErrorType": "ResourceNotFoundException"})
            elif self.headers.get("X-Amz-Invocation-Type") == "Event":
                endpoint.later(function, payload)
                self.answer(202, b"")
            else:
                try:
                    self.answer(200, function.invoke(payload))
                except FunctionError as error:
                    self.answer(200, error.payload, {"X-Amz-Function-Error": "Unhandled"})

    return Invoke
