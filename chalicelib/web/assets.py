"""Static files: read once, each with an ETag."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file. It is text, because API Gateway compresses that by itself (`minimum_compression_size`)."""

    text: str
    content_type: str
    cache_control: str = "public, max-age=86400"

    @property
    def etag(self) -> str:
        """A weak ETag, since proxies compress on the way."""
        return f'W/"{hashlib.sha256(self.text.encode()).hexdigest()[:16]}"'

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": self.content_type,
            "Cache-Control": self.cache_control,
            "ETag": self.etag,
            "X-Content-Type-Options": "nosniff",
        }

    def matches(self, if_none_match: str | None) -> bool:
        """Whether the client has it already (RFC 9110: a weak comparison)."""
        tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
        return "*" in tags or self.etag.removeprefix("W/") in tags
