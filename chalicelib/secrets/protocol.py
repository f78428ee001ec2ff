"""Where secrets are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SecretSource(Protocol):
    """Where secrets are kept. Raises SecretsUnavailable."""

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the names that are there."""

    def place(self, name: str) -> str:
        """Where a person has to put it, for a sentence."""
