"""The locks have what the lists of pyproject.toml need, and requirements.txt has the part that is deployed."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.processes import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS: dict[str, list[Any]] = PROJECT["dependency-groups"]
LOCKS = sorted(path.stem for path in (ROOT / "locks").glob("*.txt"))
BY_HAND = {"deployed", "localstack-limits", "shapes"}  # groups without a virtual environment


def group(name: str) -> list[str]:
    """Return the requirements of a group, with those of the groups that it includes."""
    lists = [group(one["include-group"]) if isinstance(one, dict) else [one] for one in GROUPS[name]]
    return [one for some in lists for one in some]


def listed(lock: str) -> list[Requirement]:
    """Return the requirements from which a lock is made."""
    texts = group(lock)
    if lock == "dev":
        texts += PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["tracing"]
    return [Requirement(text) for text in texts]


def pins(text: str) -> dict[str, set[str]]:
    """Return versions by name; a name has several if they depend on the Python version."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.M):
        found.setdefault(name, set()).add(version)
    return found


def lock(name: str) -> str:
    return (ROOT / "locks" / f"{name}.txt").read_text("utf-8")


def test_every_environment_has_a_lock() -> None:
    assert set(LOCKS) == set(GROUPS) - BY_HAND


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_its_list_names(name: str) -> None:
    locked = pins(lock(name))
    for wanted in listed(name):
        versions = locked.get(canonicalize_name(wanted.name), set())
        assert versions and all(version in wanted.specifier for version in versions), f"{wanted}: `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_and_checks_what_it_gets(name: str) -> None:
    text = lock(name)
    assert "://" not in text
    if not name.startswith("bench-"):
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
        assert entries and all("--hash=sha256:" in entry for entry in entries)


def test_what_is_deployed_is_locked() -> None:
    deployed = pins((ROOT / "requirements.txt").read_text("utf-8"))
    locked = pins(lock("dev"))
    assert {name: locked[name] for name in deployed} == deployed
    names = {canonicalize_name(Requirement(text).name) for text in group("deployed")}
    dependencies = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    assert names <= deployed.keys() and names <= dependencies


def test_what_breaks_mutants_agrees_with_the_tools_it_runs() -> None:
    dev, mutation = pins(lock("dev")), pins(lock("mutation"))
    shared = dev.keys() & mutation.keys()
    assert shared and all(mutation[name] == dev[name] for name in shared)
