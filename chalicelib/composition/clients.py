"""Clients of AWS. boto3 is imported when the first one is made, not earlier: together they take 120 ms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chalicelib.settings import Settings


class Clients:
    """Makes boto3 clients by the service's name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signals: dict[str, Any] = {}

    def later(self, service: str) -> Callable[[], Any]:
        """Return a function that makes the client at its first call."""
        return functools.cache(lambda: self.make(service))

    def signal(self, service: str) -> Any:
        """The client for signals. It gives up early: the sweep makes up for what was not sent, so no caller waits."""
        if service not in self._signals:
            self._signals[service] = self.make(service, attempts=1, seconds=4)
        return self._signals[service]

    def signal_later(self, service: str) -> Callable[[], Any]:
        """Return a function that makes the client for signals at its first call."""
        return functools.partial(self.signal, service)

    def make(self, service: str, *, attempts: int = 4, seconds: float = 30) -> Any:
        import boto3
        from botocore.config import Config

        # For S3 only: presigned links need version 4, and a custom endpoint has no host name for each bucket.
        style = "path" if self._settings.aws_endpoint_url else "auto"
        options = {"signature_version": "s3v4", "s3": {"addressing_style": style}} if service == "s3" else {}
        config = Config(
            retries={"mode": "standard", "max_attempts": attempts}, connect_timeout=3, read_timeout=seconds, **options
        )
        return boto3.client(
            service,
            region_name=self._settings.aws_region,
            endpoint_url=self._settings.aws_endpoint_url,
            config=config,
        )


@functools.cache
def botocore_session() -> Any:
    import botocore.session

    return botocore.session.get_session()
