"""Visitors that LocalStack must not serve: pages that a browser on this machine has open.

LocalStack refuses an Origin or a Referer that it does not know, and serves a request that has neither. So a page whose
browser sends no Referer can send, purge and delete by the URL of an image, since SQS accepts commands by GET. And a
page whose own domain name resolves to this machine (DNS rebinding) can read the answers. So a request that the browser
marks as another site's, and one with a Host that is not this machine's, is refused before LocalStack handles it.
The module runs in LocalStack's own virtual environment (gateway.py), so it imports nothing of ours.
"""

import ipaddress
import re
from typing import Any

# The names in the URLs of LocalStack's queues, which resolve to 127.0.0.1.
NAMES = re.compile(r"localhost|([a-z0-9-]+\.)*localhost\.localstack\.cloud")
OURS = (None, "none", "same-origin")


def is_local(host: str) -> bool:
    """Whether a Host header, with or without a port, has an address or name that only this machine can have."""
    name = re.sub(r":[0-9]*$", "", host.lower()).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return NAMES.fullmatch(name) is not None


def refuse_others(chain: Any, context: Any, response: Any) -> None:
    """Answer 403 to visitors. A handler of LocalStack's chain."""
    headers = context.request.headers
    if headers.get("sec-fetch-site") not in OURS or not is_local(headers.get("host", "localhost")):
        response.status_code = 403
        chain.terminate()


def guard() -> None:
    """Put the handler before all others that see the request."""
    from localstack.aws import handlers

    handlers.preprocess_request.append(refuse_others)
