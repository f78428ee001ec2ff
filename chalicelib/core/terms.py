"""What a workflow says of its instances, as the store needs to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a workflow says of its instances.

    `ignores`: the nodes whose failure is ignored. `timeout_ms`: how long an instance may take. `schema`: the
    oldest code that may touch it, as far as its definition says.
    """

    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    fail_fast: bool = False
    ignores: tuple[int, ...] = ()
    timeout_ms: int | None = None
    webhook: bool = False
    schema: int = 1


NO_TERMS = Terms()
