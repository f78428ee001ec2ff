"""Imports point one way (ARCHITECTURE.md, "The rooms"), and clients are imported in one place each."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From the top down: a room imports rooms below it, and others of its level if that makes no cycle.
ORDER = (
    ("app",),
    ("composition",),
    ("web",),
    ("usecases", "worker", "scheduler"),
    ("store", "queues", "values", "secrets", "handlers", "metrics", "tracing"),
    ("best_effort", "scheduling"),
    ("core",),
    ("models",),
    ("settings", "faults", "invocation", "logs"),
    ("errors", "ids", "node_ids", "states", "combiner", "lazy", "wire"),
)
# Imports that are needed only for typing and are left out here, each for the reason next to it.
TYPING = {
    ("faults", "settings"),  # settings.py calls it only to describe faults, and defines the type of the argument
}
FILES = [*ROOT.glob("chalicelib/**/*.py"), *ROOT.glob("scheduler/*.py"), ROOT / "app.py"]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(*prefixes: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in FILES
        if any(name == prefix or name.startswith(prefix + ".") for name in imports(path) for prefix in prefixes)
    }


def test_chalicelib_does_not_know_its_callers() -> None:
    assert importers("app", "local", "tests", "examples") == set()
    inside = {path for path in importers("scheduler") if path.startswith("chalicelib")}
    assert {Path(path).parent.as_posix() for path in inside} == {"chalicelib/composition"}


def room(name: str) -> str:
    """Return the name in ORDER of the room to which a module, or the path of a file, belongs."""
    parts = name.removesuffix(".py").replace("/", ".").split(".")
    return parts[1] if parts[0] == "chalicelib" and len(parts) > 1 else parts[0]


def arrows() -> dict[str, set[str]]:
    """Return the imported rooms by room, including imports only for typing."""
    found: dict[str, set[str]] = {name: set() for level in (*ORDER, ("__init__",)) for name in level}
    for path in FILES:
        here = room(str(path.relative_to(ROOT)))
        ours = (room(name) for name in imports(path) if name.split(".")[0] in ("app", "chalicelib", "scheduler"))
        found[here] |= {there for there in ours if there in found and there != here and (here, there) not in TYPING}
    return found


def test_no_import_points_up_and_none_is_in_a_circle() -> None:
    level = {name: number for number, names in enumerate(ORDER) for name in names}
    assert level.keys() == {room(str(path.relative_to(ROOT))) for path in FILES} - {"__init__"}
    imported = arrows()
    assert [(here, there) for here in imported for there in imported[here] if level[there] < level[here]] == []
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the cycle


def test_one_module_each_touches_redis_chalice_and_the_environment() -> None:
    names = {"chalicelib/store/connection.py", "chalicelib/store/scripts.py", "chalicelib/store/login.py"}
    assert importers("redis") == names
    assert importers("opentelemetry") == {"chalicelib/tracing/otlp.py"}
    names = {"access", "answers", "journal", "origins", "parameters", "problems", "requests"}
    names |= {f"routes/{name}" for name in ("forecasts", "instances", "pages", "service", "workflows")}
    assert importers("chalice") == {"app.py", *(f"chalicelib/web/{name}.py" for name in names)}
    environment = {path for path in importers("os") if path.startswith(("chalicelib", "scheduler", "app"))}
    assert environment == {"chalicelib/composition/__init__.py", "chalicelib/composition/infrastructure.py"}
    assert importers("aws_lambda_powertools") == {"chalicelib/metrics/emf.py"}
    assert importers("prometheus_client") == {"chalicelib/metrics/prometheus.py"}


def test_the_core_is_pure() -> None:
    for path in ROOT.glob("chalicelib/core/*.py"):
        for name in imports(path):
            allowed = name.startswith(
                (
                    "chalicelib.core",
                    "chalicelib.errors",
                    "chalicelib.models",
                    "chalicelib.node_ids",
                    "chalicelib.states",
                )
            )
            assert allowed or name == "chalicelib" or not name.startswith(("chalicelib", "scheduler")), (
                f"{path.name} imports {name}"
            )
            assert name.split(".")[0] not in {"redis", "boto3", "time", "random", "os", "socket", "threading"}


def test_protocols_import_no_implementation() -> None:
    protocols = [*ROOT.glob("chalicelib/*/protocol.py"), ROOT / "chalicelib/scheduling.py"]
    assert len(protocols) == 6
    for path in protocols:
        names = {name for name in imports(path) if name.startswith(("chalicelib", "scheduler"))}
        assert all(name.startswith("chalicelib.core") for name in names), f"{path} imports {names}"


# Modules that show which parts a function has loaded.
HTTP, WORKER, OPENAPI = "chalicelib.usecases.submission", "chalicelib.worker.node_runner", "chalicelib.web.openapi"
HANDLERS, SENDS, SWEEP = "chalicelib.handlers.registry", "boto3", "scheduler.sweep"
ANSWERS = "chalicelib.models.views"
MARKS = {HTTP, WORKER, OPENAPI, HANDLERS, SENDS, SWEEP, ANSWERS}
LOADED = {
    "app": {HTTP, WORKER, HANDLERS, SENDS, ANSWERS},  # it runs the first hop
    "worker": {WORKER, HANDLERS, SENDS},
    "dead_letters": set(),
    "scheduler": {HANDLERS, SENDS},
    "sweep": {SWEEP},
}


@pytest.mark.parametrize("function", LOADED)
def test_a_function_starts_with_its_own_parts_only(function: str) -> None:
    program = f"import sys, app; print(sorted({MARKS!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"_HANDLER": f"app.{function}"},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == str(sorted(LOADED[function]))


def test_a_cold_start_imports_nothing_that_it_may_not_need() -> None:
    """Clients are made, and their libraries imported, when they are first used."""
    heavy = ["boto3", "botocore", "urllib3", "redis.asyncio.client", "swagger_ui_bundle"]
    heavy += ["aws_lambda_powertools", "prometheus_client"]
    program = f"import sys, app; print([name for name in {heavy!r} if name in sys.modules])"
    program += "; import redis.asyncio; print(redis.asyncio.Redis.__module__)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines() == ["[]", "redis.asyncio.client"]
