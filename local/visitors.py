"""LocalStack closed to the pages that a browser on this machine has open.

LocalStack refuses an Origin or a Referer that it does not know, and lets through whatever has neither. A page that
asks its browser to send no Referer can so send, purge and delete by a mere image: SQS takes its commands by GET. And
whoever points a name of his own here can read as well. So what a browser marks as another's, and a Host that is not
this machine's, is refused before LocalStack looks at it.
It runs in LocalStack's own virtual environment (gateway.py), and so imports nothing of ours.
"""

import ipaddress
import re
from typing import Any

# LocalStack's own names, which its queues' URLs have: they lead to 127.0.0.1.
NAMES = re.compile(r"localhost|([a-z0-9-]+\.)*localhost\.localstack\.cloud")
OURS = (None, "none", "same-origin")


def is_local(host: str) -> bool:
    """Whether a Host, with or without a port, is this machine by a name that nobody else can point here."""
    name = re.sub(r":[0-9]*$", "", host.lower()).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return NAMES.fullmatch(name) is not None


def refuse_others(chain: Any, context: Any, response: Any) -> None:
    """A handler of LocalStack's chain."""
    headers = context.request.headers
    if headers.get("sec-fetch-site") not in OURS or not is_local(headers.get("host", "localhost")):
        response.status_code = 403
        chain.terminate()


def guard() -> None:
    """Put it before whatever looks at a request."""
    from localstack.aws import handlers  # type: ignore[import-not-found]

    handlers.preprocess_request.append(refuse_others)
