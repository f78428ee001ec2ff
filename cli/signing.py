"""The headers that authenticate a request: an API key, or a signature with AWS credentials (SigV4)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cli.failures import Exit, Failure
from cli.profiles import Profile

_API_GATEWAY = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$")


def headers(profile: Profile, method: str, url: str, body: bytes | None, given: Mapping[str, str]) -> dict[str, str]:
    """The headers `given`, and those that authenticate. `url` must be as it will be sent. Raises Failure (DENIED)."""
    made = dict(given)
    if profile.api_key:
        made["X-API-Key"] = profile.api_key
    # A stage demands one or the other: with an API key nothing is signed, unless the profile says so.
    on_api_gateway = _API_GATEWAY.search(urlsplit(url).hostname or "")
    if profile.auth == "iam" or (profile.auth == "auto" and on_api_gateway and not profile.api_key):
        return _signed(method, url, body, made, region=on_api_gateway[1] if on_api_gateway else None)
    return made


def _signed(method: str, url: str, body: bytes | None, given: dict[str, str], *, region: str | None) -> dict[str, str]:
    """Sign with the credentials that every AWS tool would find: environment, profile, SSO, role."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        session = Session()
        region = region or session.get_config_variable("region") or os.environ.get("AWS_REGION")
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise Failure(Exit.DENIED, f"no AWS credentials: {error}") from error
    if credentials is None:
        remedy = "log in (AWS_PROFILE, `aws sso login`), give --api-key, or --auth none"
        raise Failure(Exit.DENIED, f"the request has to be signed, and there are no AWS credentials: {remedy}")
    if not region:
        raise Failure(Exit.DENIED, "the request has to be signed, and no AWS region is set: set AWS_REGION")
    request = AWSRequest(method=method, url=url, data=body or b"", headers=given)
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", region).add_auth(request)
    return dict(request.headers.items())
