"""A release has one version, which the changelog knows, and its wheel has every file that is read at run time."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from chalicelib import __version__
from local.processes import ROOT

PACKAGES = ("chalicelib", "cli", "doctor", "local", "scheduler")
READ = (".py", ".lua", ".js", ".css", ".html", ".svg", ".LICENSE")


def test_the_changelog_begins_with_what_is_to_come_or_with_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    released = [(version, date) for version, date in headings if version != "Unreleased"]
    assert headings[0] == ("Unreleased", "") or headings[0] in released
    assert len(headings) - len(released) <= 1
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in released)
    assert not released or released[0][0] == __version__


def test_a_wheel_has_what_is_read_at_run_time(tmp_path: Path) -> None:
    """The wheel is built from the sdist, as a package index would have it."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / f"dag_service-{__version__}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    with tarfile.open(tmp_path / f"dag_service-{__version__}.tar.gz") as sdist:
        sources = {name.partition("/")[2] for name in sdist.getnames()}
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in READ}
    expected = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"chalicelib/store/lua/complete.lua", "chalicelib/web/ui/main.js", "cli/main.py"} <= expected
    assert expected <= names and expected <= sources
    assert {name.split("/")[0] for name in names} == {*PACKAGES, f"dag_service-{__version__}.dist-info"}
