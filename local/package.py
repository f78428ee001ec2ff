"""`chalice package`, with the modules in the zip compiled.

Python stores compiled modules next to the source. On Lambda that folder is read-only, so each cold start would compile
every module again, which takes longer than the rest of it.
"""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import os
import py_compile
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from chalicelib.settings import Settings
from local.processes import ROOT

CHALICE = ("-c", "from chalice.cli import main; main()")
ARCHIVE = "deployment.zip"
TEMPLATE = "sam.yaml"
# Where Lambda unpacks the zip: the paths in tracebacks.
TASK_ROOT = "/var/task"
# Same content, same zip: a deployment without changes uploads nothing.
_EPOCH = (1980, 1, 1, 0, 0, 0)


class NotPackaged(RuntimeError):
    """`chalice package` failed. The message is what it printed."""


def package(stage: str, out: Path) -> Path:
    """Write `out`/deployment.zip and `out`/sam.yaml. Returns the path of the zip. Raises NotPackaged."""
    generate(stage, out)
    archive = out / ARCHIVE
    compile_modules(archive)
    return archive


def generate(stage: str, out: Path, program: Sequence[str] = CHALICE) -> None:
    """Run `chalice package`. `program`: the arguments by which Python runs chalice. Raises NotPackaged."""
    command = [sys.executable, *program, "package", "--stage", stage, "--merge-template", ".chalice/resources.yaml"]
    # The settings are the stage's, not the caller's. Chalice demands a region; the template does not depend on it.
    ours = {name.upper() for name in Settings.model_fields if not name.startswith("aws_")}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with _alone():
        done = subprocess.run([*command, str(out)], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise NotPackaged(done.stdout + done.stderr)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One run at a time: chalice keeps its zip in the project, and would use one that is half written."""
    directory = ROOT / ".chalice" / "deployments"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_modules(archive: Path) -> None:
    """Add the compiled form of every module in a zip, for the Python that runs this, and remove any other.

    It is marked as unchecked against the source: times in a zip are too coarse, and deployed code is not edited.
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
                entry.external_attr = 0o100755 << 16  # Lambda runs it as a user who owns none of the files
                packed.writestr(entry, path.read_bytes())
        made.replace(archive)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack the zip as Lambda does at a cold start."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(directory)


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path.relative_to(directory).as_posix(), path


def _is_compiled(name: str) -> bool:
    return "__pycache__" in PurePosixPath(name).parts or name.endswith(".pyc")
