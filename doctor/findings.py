"""The findings of checks: a level, a sentence, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The values are exit codes."""

    OK = 0
    WARNING = 1
    BROKEN = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was checked; `do` is a command or a sentence, and empty if there is nothing to do."""

    check: str
    level: Level
    says: str
    do: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"check": self.check, "level": self.level.name.lower(), "says": self.says, "do": self.do}


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, do: str) -> Finding:
    return Finding(check, Level.WARNING, says, do)


def broken(check: str, says: str, do: str) -> Finding:
    return Finding(check, Level.BROKEN, says, do)


def exit_code(found: Iterable[Finding]) -> int:
    """0, 1 (warnings) or 2 (broken)."""
    return max((finding.level for finding in found), default=Level.OK).value
