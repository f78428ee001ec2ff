"""The protocol of a source of secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SecretSource(Protocol):
    """Has secrets by name. Raises SecretsUnavailable."""

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        """The values of those names that exist."""

    def place(self, name: str) -> str:
        """Where to put a secret, for a message."""
