"""`chalice package`, with the modules in the zip compiled.

Python keeps what it compiles beside the source, and cannot on Lambda, where that is read-only: each cold start would
compile every module again, which takes longer than all the rest of it.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from local.processes import ROOT

CHALICE = ("-c", "from chalice.cli import main; main()")
ARCHIVE = "deployment.zip"
TEMPLATE = "sam.yaml"
# Where Lambda unpacks it: what tracebacks name.
TASK_ROOT = "/var/task"
# The same content makes the same zip, so that a deployment with nothing new uploads nothing.
_EPOCH = (1980, 1, 1, 0, 0, 0)


class NotPackaged(RuntimeError):
    """`chalice package` failed. The message is what it printed."""


def package(stage: str, out: Path) -> Path:
    """Make `out`/deployment.zip and `out`/sam.yaml. Returns the path of the zip. Raises NotPackaged."""
    generate(stage, out)
    archive = out / ARCHIVE
    compile_modules(archive)
    return archive


def generate(stage: str, out: Path, program: Sequence[str] = CHALICE) -> None:
    """What `chalice package` makes. `program` are Python's arguments that run chalice. Raises NotPackaged."""
    command = [sys.executable, *program, "package", "--stage", stage, "--merge-template", ".chalice/resources.yaml"]
    # What routes are made of is the stage's, not the caller's. Chalice wants a region, and makes the same template
    # for every one.
    environment = {name: value for name, value in os.environ.items() if name not in ("API_AUTH", "CORS_ORIGINS")}
    environment.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    done = subprocess.run([*command, str(out)], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise NotPackaged(done.stdout + done.stderr)


def compile_modules(archive: Path) -> None:
    """Give every module of a zip its compiled form, for the Python that runs this, and take out any other.

    Marked as not to be checked against the source: times in a zip are too coarse, and nobody edits what is deployed.
    """
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(archive) as packed:
            names = [name for name in packed.namelist() if not _is_compiled(name)]
            packed.extractall(directory, names)
        compileall.compile_dir(
            directory,
            quiet=1,
            stripdir=directory,
            prependdir=TASK_ROOT,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        made = archive.with_suffix(".compiled")
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, path in _files(Path(directory)):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100755 << 16  # Lambda runs it as a user who owns nothing of it
                packed.writestr(entry, path.read_bytes())
        made.replace(archive)


def unpack(archive: Path, directory: Path) -> None:
    """As Lambda does at a cold start."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(directory)


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path.relative_to(directory).as_posix(), path


def _is_compiled(name: str) -> bool:
    return "__pycache__" in PurePosixPath(name).parts or name.endswith(".pyc")
