"""The time that the service waits for AWS: a hanging signal must hold up neither a request nor the next step."""

from __future__ import annotations

import pytest

from chalicelib.composition import Application
from chalicelib.settings import Settings

# API Gateway ends a request after 29 s, whatever the function does.
GATEWAY_SECONDS = 29


@pytest.mark.parametrize("service", ["sqs", "lambda"])
def test_a_signal_is_given_up_in_time(service: str) -> None:
    app = Application(Settings(aws_endpoint_url="http://127.0.0.1:1"))
    config = app.clients.signal_later(service)().meta.config
    longest = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert longest < GATEWAY_SECONDS / 2  # the trigger's other calls need time as well


def test_a_handlers_call_has_more_patience() -> None:
    app = Application(Settings(aws_endpoint_url="http://127.0.0.1:1"))
    assert app.clients.make("lambda").meta.config.read_timeout >= 30
