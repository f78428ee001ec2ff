"""`webhook`: a POST that its receiver can verify, as Standard Webhooks 1.0.0 defines it.

See github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from chalicelib import __version__
from chalicelib.core import strictjson, text
from chalicelib.core.handler import Handler
from chalicelib.errors import DoNotRetry
from chalicelib.handlers.api import Config, Context, handler
from chalicelib.handlers.http_call import BadStatus

if TYPE_CHECKING:
    from chalicelib.handlers.egress import HttpClient

_PREFIX = "whsec_"
_GONE = 410


class WebhookCall(Config):
    """`secret` is the key of the signature: `whsec_` followed by base64, or any other text, which is taken as it is."""

    url: str = Field(min_length=1, max_length=2000)
    body: Any
    secret: str | None = None


def webhook_handler(client: Callable[[], HttpClient], now: Callable[[], float] = time.time) -> Handler:
    """Make the handler. `client` makes the HTTP client at the first use; `now` returns seconds since 1970."""

    @handler("webhook", waits=True)
    def webhook(config: WebhookCall, context: Context) -> dict[str, int]:
        """Makes a signed POST, by Standard Webhooks; yields {status}. Any status but 2xx is retried, save for 410."""
        body = strictjson.dumps(config.body).encode()
        headers = {"Content-Type": "application/json", "User-Agent": f"dag-service/{__version__}"}
        headers |= context.trace_headers
        headers |= signed(context.idempotency_key, int(now()), body, config.secret)
        answer = client().request(
            "POST",
            config.url,
            headers=headers,
            body=body,
            connect_timeout=5,
            read_timeout=30,
            deadline=time.monotonic() + context.time_left(),
            redirects=0,  # a redirect fails the call, so that its status shows that the receiver has moved
        )
        if 200 <= answer.status < 300:
            return {"status": answer.status}
        message = f"{config.url[:200]} answered {answer.status}: {text.beginning(answer.body, 300)}"
        raise DoNotRetry(message) if answer.status == _GONE else BadStatus(message)

    return webhook


def signed(id: str, timestamp: int, body: bytes, secret: str | None) -> dict[str, str]:
    """The headers. `id` is the same in all attempts; `timestamp`, in seconds since 1970, is that of this attempt."""
    headers = {"webhook-id": id, "webhook-timestamp": str(timestamp)}
    if secret:
        content = f"{id}.{timestamp}.".encode() + body
        digest = hmac.new(_key(secret), content, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise DoNotRetry(f"the secret begins with {_PREFIX}, and what follows is not base64") from None
