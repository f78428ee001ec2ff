"""The reference that the store has instead of a large result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

# No JSON begins with it, so a handler's result is never taken for a reference.
MARK = b"\0"


@dataclass(frozen=True, slots=True)
class ResultReference:
    """The key of a result, and its hash and length in bytes, by which it is checked."""

    key: str
    sha256: str
    size: int

    @classmethod
    def to(cls, value: bytes, folder: str) -> ResultReference:
        """A reference to the value. Its hash is in the key, so two workers that run one attempt overwrite nothing."""
        digest = hashlib.sha256(value).hexdigest()
        return cls(f"{folder}-{digest[:16]}.json", digest, len(value))

    def encode(self) -> bytes:
        return MARK + json.dumps(asdict(self)).encode()

    def fits(self, value: bytes) -> bool:
        return len(value) == self.size and hashlib.sha256(value).hexdigest() == self.sha256


def is_reference(stored: bytes) -> bool:
    return stored.startswith(MARK)


def decode(stored: bytes) -> ResultReference:
    return ResultReference(**json.loads(stored[1:]))
