"""The time, lines and scripts of each test while nothing is broken. They are kept until test or code changes."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import asdict, dataclass

from tests.mutation.mutant import LUA, ROOT, Mutant
from tests.mutation.patch import scripts_with

FILE = ROOT / "build" / "mutation" / "baseline.json"
LUA_TESTS = ("tests/contract/", "tests/mutation/")


@dataclass(slots=True)
class Test:
    seconds: float
    lines: dict[str, list[int]]
    scripts: list[str]
    fails: bool
    digest: str


@dataclass(slots=True)
class Baseline:
    code: str
    tests: dict[str, Test]

    @staticmethod
    def load() -> Baseline:
        code = _digest(
            *(
                str(p)
                for d in ("chalicelib", "scheduler")
                for p in ROOT.glob(f"{d}/**/*")
                if p.suffix in (".py", ".lua")
            )
        )
        if FILE.exists():
            kept = json.loads(FILE.read_text("utf-8"))
            if kept["code"] == code:
                tests = {name: Test(**test) for name, test in kept["tests"].items()}
                return Baseline(code, {n: t for n, t in tests.items() if _is_there(n) and t.digest == _of_test(n)})
        return Baseline(code, {})

    def save(self) -> None:
        """Save it, together with what another process has saved meanwhile."""
        self.tests = Baseline.load().tests | self.tests
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(asdict(self)), "utf-8")

    def note(self, name: str, seconds: float, lines: dict[str, list[int]], scripts: list[str], fails: bool) -> None:
        self.tests[name] = Test(seconds, lines, scripts, fails, _of_test(name))

    def tests_for(self, mutant: Mutant, text: str) -> list[str]:
        """Return the tests that can notice a mutant, the quickest first."""
        if mutant.file.startswith(LUA):
            scripts = scripts_with(mutant.file)
            found = [
                name
                for name, test in self.tests.items()
                if name.startswith(LUA_TESTS) and (scripts & set(test.scripts) or "test_lua_headers" in name)
            ]
        else:
            found = self._reaching(mutant.file, set(mutant.lines(text)), text)
        return sorted((n for n in found if not self.tests[n].fails), key=lambda name: self.tests[name].seconds)

    def _reaching(self, file: str, lines: set[int], text: str) -> list[str]:
        """Look up by statement, since coverage records an expression over several lines by its first line."""
        tree = ast.parse(text)
        statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        inside = [s for s in statements if lines & set(range(s.lineno, (s.end_lineno or s.lineno) + 1))]
        in_function = any(
            isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef) and s.body[0].lineno <= max(lines) for s in inside
        )
        smallest = min(inside, key=lambda s: (s.end_lineno or 0) - s.lineno, default=None)
        if in_function and smallest:
            body = getattr(smallest, "body", None)
            last = body[0].lineno - 1 if body else smallest.end_lineno or smallest.lineno
            lines = lines | set(range(smallest.lineno, max(last, smallest.lineno) + 1))
            return [name for name, test in self.tests.items() if lines & set(test.lines.get(file, ()))]
        # A value of the module or a class, which was read when the project was imported. A file that has no function of
        # its own, but dataclasses, is reached by those that import it.
        return self._running({file}) or self._running(_importers(file))

    def _running(self, files: set[str]) -> list[str]:
        return [name for name, test in self.tests.items() if any(test.lines.get(file) for file in files)]


def _importers(file: str) -> set[str]:
    """Return the files that import the module by its name, or from it."""
    folder, _, name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".").rpartition(".")
    importing = re.compile(
        rf"^\s*from ({re.escape(folder)}\.{name} import|{re.escape(folder)} import .*\b{name}\b)", re.M
    )
    sources = [*ROOT.glob("chalicelib/**/*.py"), *ROOT.glob("scheduler/*.py")]
    return {str(path.relative_to(ROOT)) for path in sources if importing.search(path.read_text("utf-8"))}


def _is_there(name: str) -> bool:
    return (ROOT / name.split("::")[0]).exists()


def _of_test(name: str) -> str:
    return _digest(str(ROOT / name.split("::")[0]))


_digests: dict[tuple[str, ...], str] = {}


def _digest(*paths: str) -> str:
    if paths not in _digests:
        total = hashlib.sha256()
        for path in sorted(paths):
            with open(path, "rb") as file:
                total.update(path.encode() + file.read())
        _digests[paths] = total.hexdigest()
    return _digests[paths]
