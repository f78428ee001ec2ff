"""How the store's client logs in, and which certificates it trusts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from redis.backoff import AbstractBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError
from redis.retry import Retry

T = TypeVar("T")
# ElastiCache accepts no token that is valid for longer.
_TOKEN_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """`iam` makes a password for each connection, instead of the one in `password`. A login in the URL comes first."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    iam: CredentialProvider | None = None

    def options(self, url: str) -> dict[str, Any]:
        """The options that redis-py needs for this URL."""
        options: dict[str, Any] = {}
        if self.iam is not None:
            options["credential_provider"] = self.iam
        else:
            given = {"username": self.username, "password": self.password}
            options |= {name: value for name, value in given.items() if value}
        if self.ca_file and url.startswith("rediss:"):
            options["ssl_ca_certs"] = self.ca_file
        return options


class LoginRetry(Retry):
    """Gives up at once if one side does not trust the other, since a wrong password stays wrong.

    It gives up after `seconds` in any case: each try at a server that hangs takes a whole timeout.
    """

    def __init__(self, backoff: AbstractBackoff, retries: int, *, seconds: float) -> None:
        super().__init__(backoff, retries)
        self._seconds = seconds

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        def mendable(error: Exception) -> bool:
            distrusted = isinstance(error, AuthenticationError) or "CERTIFICATE_VERIFY_FAILED" in str(error)
            return not distrusted and (is_retryable is None or is_retryable(error))

        end = time.monotonic() + self._seconds

        def failed(error: Exception, *count: int) -> None:
            fail(error, *count)
            if time.monotonic() >= end:
                raise error

        answer: T = super().call_with_retry(do, failed, mendable, with_failure_count)
        return answer


class ElastiCacheToken(CredentialProvider):
    """The password is a request that is signed and never sent.

    Amazon ElastiCache User Guide, "Authenticating with IAM".

    It is signed anew for each connection: that takes well under a millisecond and connections are few, so no token can
    expire. ElastiCache ends such a connection after 12 hours; the client then makes another.
    `session` makes the botocore session at the first use.
    """

    def __init__(
        self, session: Callable[[], Any], *, username: str, cache_name: str, region: str, serverless: bool
    ) -> None:
        self._session = session
        self._username = username
        self._host = cache_name.lower()
        self._region = region
        self._serverless = serverless

    def get_credentials(self) -> tuple[str, str]:
        """User and token. Raises botocore's errors where there are no AWS credentials."""
        from botocore.model import ServiceId
        from botocore.signers import RequestSigner

        session = self._session()
        signer = RequestSigner(
            ServiceId("elasticache"),
            self._region,
            "elasticache",
            "v4",
            session.get_credentials(),
            session.get_component("event_emitter"),
        )
        query = {"Action": "connect", "User": self._username}
        if self._serverless:
            query["ResourceType"] = "ServerlessCache"
        request = {
            "method": "GET",
            "url": f"https://{self._host}/?{urlencode(query)}",
            "body": {},
            "headers": {},
            "context": {},
        }
        url = signer.generate_presigned_url(
            request, operation_name="connect", expires_in=_TOKEN_SECONDS, region_name=self._region
        )
        return self._username, url.removeprefix("https://")
