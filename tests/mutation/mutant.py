"""One broken thing, which is an edit of the text of one file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LUA = "chalicelib/store/lua"
PACKAGES = {
    "core": "chalicelib/core/*.py",
    "usecases": "chalicelib/usecases/*.py",
    "handlers": "chalicelib/handlers/*.py",
    "secrets": "chalicelib/secrets/*.py",
    "store": "chalicelib/store/*.py",
    "queues": "chalicelib/queues/*.py",
    "worker": "chalicelib/worker/*.py",
    "scheduler": "scheduler/*.py",
    "lua": f"{LUA}/**/*.lua",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """The edit by which `old` becomes `new` at `offset` of `file`."""

    package: str
    file: str
    offset: int
    old: str
    new: str

    @staticmethod
    def of(package: str, file: str, before: str, after: str) -> Mutant:
        """Return the smallest edit that turns `before` into `after`."""
        start, most = 0, min(len(before), len(after))
        while start < most and before[start] == after[start]:
            start += 1
        end = 0
        while end < most - start and before[-1 - end] == after[-1 - end]:
            end += 1
        return Mutant(package, file, start, before[start : len(before) - end], after[start : len(after) - end])

    def apply(self, text: str) -> str:
        end = self.offset + len(self.old)
        assert text[self.offset : end] == self.old, f"{self.file} has changed meanwhile"
        return text[: self.offset] + self.new + text[end:]

    def lines(self, text: str) -> range:
        """The numbers of the lines that it changes, from 1."""
        first = text.count("\n", 0, self.offset) + 1
        return range(first, first + self.old.count("\n") + 1)

    def diff(self, text: str) -> tuple[str, str]:
        """The lines before and after, without indentation, which identify a mutant whatever is around it."""
        before, after = text.splitlines(), self.apply(text).splitlines()
        removed, added = [], []
        for line in difflib.unified_diff(before, after, n=0, lineterm=""):
            if line.startswith("-") and not line.startswith("---"):
                removed.append(line[1:].strip())
            elif line.startswith("+") and not line.startswith("+++"):
                added.append(line[1:].strip())
        return "\n".join(removed), "\n".join(added)


def files(package: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(PACKAGES[package]))


def read(file: str) -> str:
    return (ROOT / file).read_text("utf-8")
