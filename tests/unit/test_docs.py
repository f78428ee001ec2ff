"""The pages for readers are consistent: their links lead somewhere, and their lines fit a screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
WIDTH = 100
WIDER = {"ARCHITECTURE", "invariants"}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page that are not code, with their numbers."""
    code = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code:
            yield number, line


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of headings: words in lower case, joined by hyphens."""
    headings = [line.lstrip("#").strip().lower() for _, line in prose(path) if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    # Code is removed first, and lines are joined, since a link may be broken over two of them.
    text = re.sub(r"`[^`]*`", "", " ".join(line for _, line in prose(page)))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not heading or heading in anchors(target), f"{page.name}: {link}"


def test_every_page_is_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", README.read_text("utf-8")))
    assert linked == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_merge_is_half_done(page: Path) -> None:
    assert not re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem not in WIDER], ids=lambda page: page.stem)
def test_lines_fit(page: Path) -> None:
    """Rows of tables are exempt, and so is an entry that is one link, since neither can be wrapped."""
    whole = re.compile(r"\||- [\d-]+: \[[^\]]*\]\(\S+\)$")
    assert [number for number, line in prose(page) if len(line) > WIDTH and not whole.match(line)] == []


def test_the_readme_is_one_that_can_be_held_in_mind() -> None:
    assert len(README.read_text("utf-8").splitlines()) < 170
