"""This machine: the version of Python, and whether the installed packages are the pinned ones."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from doctor.findings import Finding, broken, ok, warning

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """`packages`: name -> (pinned, installed or None)."""

    python: tuple[int, int, int]
    packages: Mapping[str, tuple[str, str | None]]


def gather(requirements: Path) -> MachineFacts:
    pins = re.findall(r"^([\w-]+)(?:\[[^]]*\])?==(\S+)", requirements.read_text("utf-8"), re.M)
    packages = {name: (pinned, _installed(name)) for name, pinned in pins}
    return MachineFacts(python=sys.version_info[:3], packages=packages)


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def python(facts: MachineFacts) -> Finding:
    found, least = ".".join(map(str, facts.python)), ".".join(map(str, OLDEST_PYTHON))
    if facts.python < OLDEST_PYTHON:
        return broken("python", f"{found}: {least} or newer is needed", "make clean install PYTHON=python3.11")
    return ok("python", found)


def requirements(facts: MachineFacts) -> Finding:
    missing = [name for name, (_, installed) in facts.packages.items() if installed is None]
    other = [f"{name} {has} ({pin} is pinned)" for name, (pin, has) in facts.packages.items() if has and has != pin]
    if missing:
        return broken("requirements", f"not installed: {', '.join(missing)}", "make install")
    if other:
        return warning("requirements", ", ".join(other), "make install")
    return ok("requirements", f"all {len(facts.packages)} as pinned")
