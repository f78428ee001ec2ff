"""Caches the secrets that this process has read for some minutes, and masks them in its logs until it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from chalicelib.core import templates
from chalicelib.core.text import plain
from chalicelib.errors import MissingSecret
from chalicelib.secrets.protocol import SecretSource
from chalicelib.secrets.redact import MIN_LENGTH, Redactor


class Vault:
    """Reads each secret at most once in `keep_seconds`. Shared by all threads of a worker."""

    def __init__(
        self, source: SecretSource, *, keep_seconds: float, clock: Callable[[], float], known: Iterable[str] = ()
    ) -> None:
        """`known`: other values that logs must not show."""
        self._source = source
        self._keep = keep_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[str, tuple[str, float]] = {}
        # This includes old values: a handler that began before a rotation may still log one.
        self._known = {value for value in known if len(value) >= MIN_LENGTH}
        self.redactor = Redactor(self._known)

    def read(self, names: Sequence[str]) -> dict[str, str]:
        """The secrets by name. Raises SecretsUnavailable, or MissingSecret, for which a retry is of no use."""
        if self._stale(names):
            with self._lock:  # nodes that start together share one request; those with fresh secrets do not wait
                if stale := self._stale(names):
                    found = self._source.fetch(stale)
                    self._check(stale, found)
                    self._learn(found)
                    until = self._clock() + self._keep
                    self._read.update((name, (value, until)) for name, value in found.items())
        return {name: self._read[name][0] for name in names}

    def reveal(self, setting: str) -> str:
        """Fill in the `{{ secrets.NAME }}` of a setting, as in a config."""
        names = sorted({reference.path[0] for _, reference in templates.find(setting) if reference.path})
        return str(templates.render(setting, {"secrets": self.read(names)}))

    def _stale(self, names: Sequence[str]) -> list[str]:
        now = self._clock()
        return [name for name in names if name not in self._read or self._read[name][1] <= now]

    def _check(self, names: Sequence[str], found: dict[str, str]) -> None:
        if missing := [name for name in names if name not in found]:
            raise MissingSecret(
                "; ".join(f"there is no secret `{name}`: put it into {self._source.place(name)}" for name in missing)
            )
        if short := [name for name in names if len(found[name]) < MIN_LENGTH]:
            raise MissingSecret(
                f"secret `{short[0]}` is shorter than {MIN_LENGTH} characters, so it could not be kept out of "
                "results and logs: use a longer one"
            )
        if odd := [name for name in names if plain(found[name]) != found[name]]:
            raise MissingSecret(
                f"secret `{odd[0]}` is not UTF-8, and nothing can be sent with it: use base64 for bytes"
            )

    def _learn(self, found: dict[str, str]) -> None:
        if not self._known.issuperset(found.values()):
            self._known.update(found.values())
            self.redactor = Redactor(self._known)
