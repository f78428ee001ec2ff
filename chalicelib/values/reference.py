"""What the store has in place of a large result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

# No JSON begins with it, so nothing that a handler yields is ever taken for a reference.
MARK = b"\0"


@dataclass(frozen=True, slots=True)
class ResultReference:
    """Where a result is, by its key, and what it must be: its hash, and its length in bytes."""

    key: str
    sha256: str
    size: int

    @classmethod
    def to(cls, value: bytes, folder: str) -> ResultReference:
        """The hash is part of the key: so of two workers that run the same attempt neither overwrites the other's."""
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
