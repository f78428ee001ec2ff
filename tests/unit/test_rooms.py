"""The table of rooms in ARCHITECTURE.md, which lists the imports of each room, is compared with the code.

A row has a package, or files of one, then what it is, which rooms it imports (a name below chalicelib/, or a folder
at the top), and which packages from outside. The version number of chalicelib is not a room, and any room may read it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = ("app", "chalicelib", "scheduler", "cli", "local", "deploy", "doctor")
NEIGHBOURS = {"visitors"}  # LocalStack's Python runs local/gateway.py, which finds it in its own folder


@dataclass(frozen=True)
class Room:
    places: tuple[str, ...]
    what: str
    ours: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        paths = [ROOT / place for place in self.places]
        return [file for path in paths for file in ([path] if path.suffix else sorted(path.rglob("*.py")))]


def names_in(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def rooms() -> Iterator[Room]:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    table = text[text.index("\n## The rooms") :].split("\n## ")[1]
    for line in re.findall(r"^\| `.*$", table, re.M):
        place, what, ours, others = (cell.strip() for cell in line.strip("|").split(" | "))
        names = names_in(place)
        folder = names[0].rpartition("/")[0] if names[0].endswith(".py") else ""
        places = tuple(name if "/" in name or not folder else f"{folder}/{name}" for name in names)
        yield Room(places, what, names_in(ours), names_in(others))


ROOMS = list(rooms())


def name_of(module: str) -> str:
    """Return the name in the table of the room to which a module belongs."""
    parts = module.split(".")
    return parts[1] if parts[0] == "chalicelib" else parts[0]


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "chalicelib":
            yield from (f"chalicelib.{alias.name}" for alias in node.names if alias.name != "__version__")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def actual(room: Room) -> tuple[set[str], set[str]]:
    own = {Path(place).stem for place in room.places}
    names = {module for file in room.files for module in imported(file)}
    ours = {name_of(module) for module in names if module.split(".")[0] in TOP} - own
    others = {module.split(".")[0] for module in names} - {*TOP, *NEIGHBOURS, *sys.stdlib_module_names}
    return ours, others


@pytest.mark.parametrize("room", ROOMS, ids=[room.places[0] for room in ROOMS])
def test_a_room_imports_what_the_table_says(room: Room) -> None:
    ours, others = actual(room)
    assert (list(room.ours), list(room.others)) == (sorted(ours), sorted(others))


def test_every_file_is_in_one_room() -> None:
    files = [file for room in ROOMS for file in room.files]
    packages = [file for top in TOP for file in (ROOT / top).rglob("*.py")]
    assert len(files) == len(set(files))
    assert {*packages, ROOT / "app.py"} - set(files) == {ROOT / "chalicelib" / "__init__.py"}


@pytest.mark.parametrize("room", ROOMS, ids=[room.places[0] for room in ROOMS])
def test_a_room_has_the_files_that_the_table_names(room: Room) -> None:
    named = set(re.findall(r"`(\w+\.py)`", room.what))
    assert named <= {file.name for file in room.files}


def test_the_map_of_the_tests_names_each_of_their_files_once() -> None:
    text = (ROOT / "tests" / "README.md").read_text("utf-8")
    named = re.findall(r"`(\w+/test_\w+\.py)`", text)
    assert sorted(named) == sorted(f"{path.parent.name}/{path.name}" for path in ROOT.glob("tests/*/test_*.py"))
