"""A pytest session that runs each test once (the baseline), or forks for each mutant."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import coverage
import hypothesis
import pytest
import redis
from _pytest.runner import runtestprotocol

from chalicelib.store.scripts import Scripts
from tests.mutation import baseline, patch
from tests.mutation.mutant import LUA, PACKAGES, ROOT, Mutant, files, read

TESTS = ["tests/mutation/short_runs.py", "tests/contract", "tests/unit", "tests/hostile", "tests/integration"]
TESTS += ["tests/simulation/test_quiet.py"]
# These start processes, which have no mutant, or test what is not mutated.
NOT_ASKED = {
    *("access", "benchmarks", "capacity", "cli", "cli_parts", "deploy", "doctor", "doctor_deployed", "failover"),
    *("hostile", "imports", "kill", "linear", "local_functions", "local_mapping", "local_parts", "local_stack"),
    *("mutation", "operate", "overload", "readme", "sockets", "stack", "style", "template", "virtual_clock"),
    *("web_page", "web_parity", "web_server"),
}
PROCESSES = {"stack", "localstack_url", "redis_server_url", "queue_urls", "bucket", "page", "browser"}
NOT_NAMED = ("test_a_broken_line", "test_a_cluster", "test_the_store_is_what_the_model_says")
# They take too long while they are traced, so they are run only for Lua.
UNTRACED = ("test_examples_of_the_model", "test_twenty_seeds[21]", "test_twenty_seeds[41]")
WARM = "test_the_server_is_up"
MEMORY = 6 << 30


def session(plugin: object, tests: list[str]) -> int:
    """Hypothesis neither shrinks nor keeps failures here: it only matters whether there is one."""
    options = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:terminal",
        "-o",
        "addopts=",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutation", phases=phases, report_multiple_bugs=False, database=None)
    hypothesis.settings.load_profile("mutation")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return int(pytest.main([*options, *tests], plugins=[plugin]))


class AfterAll:
    """Takes the place of the next test: what belongs to the session stays, all else of the last test is torn down."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        return [self._session]


class Session:
    """Collects tests, and leaves out those that cannot be run. Subclasses decide what is done with the others."""

    warm: pytest.Item
    end: Any

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if self._is_asked(item)]
        self.warm = next(item for item in items if item.name == WARM)
        items[:] = [self.warm, *(item for item in kept if item is not self.warm)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.end = AfterAll(session)
        runtestprotocol(self.warm, log=False, nextitem=self.end)
        self.loop(session.items)
        return True

    def loop(self, items: list[pytest.Item]) -> None:
        raise NotImplementedError

    @staticmethod
    def _is_asked(item: pytest.Item) -> bool:
        module = item.path.stem.removeprefix("test_")
        fixtures = set(getattr(item, "fixturenames", ()))
        named = item.name.startswith(NOT_NAMED) or item.name.endswith(("[sqs]", "[s3]"))
        return not (module in NOT_ASKED or fixtures & PROCESSES or named or item.get_closest_marker("slow"))


class Baseline(Session):
    """Runs the tests that the saved baseline lacks, with a context of coverage for each test."""

    def __init__(self, kept: baseline.Baseline) -> None:
        self.kept = kept
        self._scripts: set[str] = set()

    def loop(self, items: list[pytest.Item]) -> None:
        missing = [item for item in items if item.nodeid not in self.kept.tests]
        sources = [str(ROOT / "chalicelib"), str(ROOT / "scheduler")]
        cov = coverage.Coverage(data_file=None, source=sources, config_file=False, messages=False)
        with self._noting_scripts():
            for number, item in enumerate(missing):
                self._scripts.clear()
                cov.erase()
                traced = not item.name.startswith(UNTRACED)
                if traced:
                    cov.start()
                begun = time.monotonic()
                reports = runtestprotocol(item, log=False, nextitem=self.end)
                seconds = time.monotonic() - begun
                if traced:
                    cov.stop()
                failed = next((report for report in reports if report.failed), None)
                if failed:
                    print(
                        f"left out, since it fails as it is: {item.nodeid}: {str(failed.longrepr)[-300:]}", flush=True
                    )
                with warnings.catch_warnings(action="ignore"):  # a test that reaches nothing
                    data = cov.get_data()
                lines = {os.path.relpath(file, ROOT): sorted(data.lines(file) or ()) for file in data.measured_files()}
                self.kept.note(item.nodeid, seconds, lines, sorted(self._scripts), bool(failed))
                if number % 50 == 49:
                    self.kept.save()
                    print(f"  {number + 1} of {len(missing)} tests", flush=True)
        self.kept.save()

    @contextlib.contextmanager
    def _noting_scripts(self) -> Iterator[None]:
        run = Scripts.run

        def noting(scripts: Scripts, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            self._scripts.add(name)
            return run(scripts, name, keys, arguments)

        with mock.patch.object(Scripts, "run", noting):
            yield


class Forks(Session):
    """Takes one mutant after another from the rest of `work` (a JSON list), and appends to `results`."""

    def __init__(self, kept: baseline.Baseline, work: Path, results: Path, until: float) -> None:
        self._kept, self._work, self._results, self._until = kept, work, results, until

    def loop(self, items: list[pytest.Item]) -> None:
        by_name = {item.nodeid: item for item in items}
        for package in PACKAGES:  # the parts of the application are imported when one is first asked for
            for name in files(package) if package != "lua" else ():
                importlib.import_module(name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        self._url = self.warm.module.SERVER["url"]  # type: ignore[attr-defined]
        gc.collect()
        gc.freeze()
        while time.time() < self._until and (mutant := self._take()):
            begun = time.monotonic()
            outcome, by = self._try(mutant, by_name)
            line = asdict(mutant) | {"outcome": outcome, "by": by, "seconds": round(time.monotonic() - begun, 2)}
            with self._results.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _take(self) -> Mutant | None:
        with self._work.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            left = json.load(file)
            taken = left.pop(0) if left else None
            file.seek(0)
            file.truncate()
            json.dump(left, file)
        return Mutant(**taken) if taken else None

    def _try(self, mutant: Mutant, by_name: dict[str, pytest.Item]) -> tuple[str, str]:
        with redis.Redis.from_url(self._url) as client:
            client.flushall()
            if mutant.file.startswith(LUA) and not patch.lua_compiles(mutant, client):
                return "invalid", ""
        names = [name for name in self._kept.tests_for(mutant, read(mutant.file)) if name in by_name]
        if not names:
            return "survived", "no test reaches it"
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._child(mutant, [by_name[name] for name in names], writing)
        os.close(writing)
        try:
            return self._watch(reading)
        finally:
            os.close(reading)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _watch(self, reading: int) -> tuple[str, str]:
        """Watch the child, which reports the test that it begins, and how it ended."""
        text, current, end = "", "", time.monotonic() + 30
        while True:
            ready, _, _ = select.select([reading], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return "noticed", f"too long: {current}"
            got = os.read(reading, 65536).decode("utf-8", "replace")
            if not got:
                return "noticed", f"died: {current}"
            text += got
            *lines, text = text.split("\n")
            for line in lines:
                word, _, rest = line.partition(" ")
                if word != "begins":
                    return word, rest
                current = rest
                end = time.monotonic() + 5 * self._kept.tests[rest].seconds + 10

    def _child(self, mutant: Mutant, items: list[pytest.Item], writing: int) -> None:
        def say(text: str) -> None:
            os.write(writing, (text.replace("\n", " ") + "\n").encode())

        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            quiet = os.open(os.devnull, os.O_RDWR)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            gc.unfreeze()
            if not patch.put_in(mutant):
                say("invalid the project was imported before it")
                os._exit(0)
            for item in items:
                say(f"begins {item.nodeid}")
                for report in runtestprotocol(item, log=False, nextitem=self.end):
                    if report.failed:
                        say(f"noticed {item.nodeid}")
                        os._exit(0)
            say("survived")
        except BaseException as error:
            say(f"noticed {type(error).__name__} {error}")
        finally:
            os._exit(0)


def main() -> int:
    """`python -m tests.mutation.runner baseline TEST...`, or `... forks WORK RESULTS UNTIL TEST...`: by __main__."""
    os.chdir(ROOT)
    kept = baseline.Baseline.load()
    if sys.argv[1] == "baseline":
        return session(Baseline(kept), sys.argv[2:] or TESTS)
    work, results, until = Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    return session(Forks(kept, work, results, until), sys.argv[5:] or TESTS)


if __name__ == "__main__":
    sys.exit(main())
