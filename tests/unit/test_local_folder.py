"""`make clean` and DATA_DIR: data that is not the service's own is never lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local import env_file, folder
from local.processes import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what `make clean` needs, with files of others near it."""
    project = tmp_path / "the project"
    (project / "local").mkdir(parents=True)
    for name in ("Makefile", "local/folder.py"):
        shutil.copy(ROOT / name, project / name)
    for name in (".venv", ".venv-bench-rq"):
        (project / name).mkdir()
        (project / name / "pyvenv.cfg").touch()
    for kept in (project / "data" / "theirs", tmp_path / "my" / "theirs", project / ".venv-localstack" / "theirs"):
        kept.parent.mkdir()
        kept.touch()
    return project


def clean(project: Path, *settings: str) -> str:
    done = subprocess.run(["make", "clean", *settings], cwd=project, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "data" / "theirs").exists() and (project.parent / "my" / "theirs").exists()
    assert (project / ".venv-localstack" / "theirs").exists()
    assert not (project / ".venv").exists() and not (project / ".venv-bench-rq").exists()
    return done.stdout


def used(directory: Path) -> Path:
    """The files that a run leaves behind."""
    folder.claim(directory)
    for name in ("valkey", "values", "metrics", "localstack"):
        (directory / name).mkdir()
        (directory / name / "file").touch()
    (directory / "lock").write_text("123\n")
    (directory / "env").write_text("export A=1\n")
    return directory


@pytest.mark.parametrize("name", ["my data", "my'data", 'my "data"', "-rf", "my;data", "*"])
def test_a_folder_of_any_name_is_removed_and_no_other(project: Path, name: str) -> None:
    data = used(project.parent / name)
    assert not clean(project, f"DATA_DIR={data}")
    assert not data.exists()


def test_the_default_is_removed(project: Path) -> None:
    used(project / ".data")
    clean(project)
    assert not (project / ".data").exists()


def test_the_folder_of_an_older_release_is_known_by_its_lock(project: Path) -> None:
    used(project / ".data")
    (project / ".data" / folder.MARKER).unlink()
    clean(project)
    assert not (project / ".data").exists()


def test_what_no_run_made_stays(project: Path) -> None:
    assert "left as it is" in clean(project, f"DATA_DIR={project / 'data'}")


def test_files_of_others_within_stay(project: Path) -> None:
    data = used(project.parent / "mixed")
    (data / "theirs").touch()
    assert "other files" in clean(project, f"DATA_DIR={data}")
    assert [path.name for path in data.iterdir()] == ["theirs"]


def test_a_link_is_not_followed(project: Path) -> None:
    data = used(project.parent / "linked")
    shutil.rmtree(data / "values")
    (data / "values").symlink_to(project.parent / "my")
    clean(project, f"DATA_DIR={data}")
    assert not data.exists()


def test_a_folder_in_use_stays(project: Path) -> None:
    import fcntl

    data = used(project.parent / "busy")
    with (data / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "a local run uses it" in clean(project, f"DATA_DIR={data}")
    assert (data / "valkey" / "file").exists()


@pytest.mark.parametrize("name", ["metrics", "values", "env", "valkey.log"])
def test_a_run_does_not_write_over_what_others_have(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(folder.NotOurs, match=f"`{name}`"):
        folder.claim(tmp_path)
    assert os.listdir(tmp_path) == [name]


def test_a_run_finds_its_folder_again(tmp_path: Path) -> None:
    used(tmp_path / "data")
    folder.claim(tmp_path / "data")


def test_an_install_empties_no_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    command = [str(ROOT / "local" / "install.sh"), str(tmp_path), "it", "locks/dev.txt"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "no virtual environment" in done.stderr
    assert (tmp_path / "theirs").exists()


def test_settings_of_a_run_are_read_as_they_were_written(tmp_path: Path) -> None:
    env = {"AWS_SECRET_ACCESS_KEY": 'it\'s a "secret"; $HOME', "PORT": "8000", "HOME": "not exported"}
    assert env_file.read(tmp_path) == {}
    env_file.write(tmp_path, env)
    assert env_file.read(tmp_path) == {name: env[name] for name in ("AWS_SECRET_ACCESS_KEY", "PORT")}
    assert (tmp_path / folder.ENV_FILE).stat().st_mode & 0o777 == 0o600
