"""The live page as it is served; tests/browser tests what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from chalice.test import Client

import app as web
from chalicelib.web import page
from chalicelib.web.access import ApiAuth

FOLDER = Path(page.__file__).with_name("ui")
OURS = [path for path in FOLDER.glob("*.js") if path.name != "d3-dag.min.js"]
# The whole page, including the layout library; a third of it is transferred.
BUDGET_BYTES = 350_000


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr("chalicelib.composition.application", lambda: SimpleNamespace(parts=[]))
    with Client(web.app) as client:
        yield client


@pytest.mark.parametrize(("path", "base"), [("/api/ui", "ui/"), ("/api/ui/", "")])
def test_the_page_loads_its_own_files_only(client: Client, path: str, base: str) -> None:
    response = client.http.get(path)
    text = response.body.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(loaded) > 20
    for address in loaded:
        release, name = address.removeprefix(base).split("/")
        assert address.startswith(base) and release == page.release()
        assert client.http.get(f"/api/ui/{release}/{name}").status_code == 200
    assert "<script>" not in text and "<style" not in text and "style=" not in text and "$" not in text


def test_its_policy_allows_nothing_inline(client: Client) -> None:
    policy = client.http.get("/api/ui").headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "http" not in policy and "data:" not in policy
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "require-trusted-types-for 'script'",
        "frame-ancestors 'none'",
    ):
        assert part in policy
    worker = client.http.get(f"/api/ui/{page.release()}/layout.worker.js").headers
    assert worker["Content-Security-Policy"] == policy


def test_its_files_are_kept_for_good_under_their_release_only(client: Client) -> None:
    now = client.http.get(f"/api/ui/{page.release()}/main.js")
    other = client.http.get("/api/ui/000000000000/main.js")
    assert now.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert other.headers["Cache-Control"] == "no-cache"
    assert now.body == other.body
    again = client.http.get("/api/ui/000000000000/main.js", headers={"If-None-Match": now.headers["ETag"]})
    assert (again.status_code, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["README.md", "index.html", "d3-dag.LICENSE", "..", "%2e%2e", "page.py", "x.js"])
def test_no_other_file_is_served(client: Client, name: str) -> None:
    assert client.http.get(f"/api/ui/{page.release()}/{name}").status_code == 404


@pytest.mark.parametrize("auth", ["none", "api_key", "iam"])
def test_it_says_what_the_api_asks_for(auth: ApiAuth) -> None:
    assert f'data-auth="{auth}"' in page.page(trailing_slash=False, auth=auth)


def test_modules_import_modules_that_exist_and_all_are_used() -> None:
    imported = {"main.js", "theme.js", "layout.worker.js"}
    for path in OURS:
        named = re.findall(r'from "\./([^"]+)"', path.read_text("utf-8"))
        assert all((FOLDER / name).is_file() for name in named), path.name
        imported.update(named)
    assert imported == {path.name for path in FOLDER.glob("*.js")}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_text_cannot_become_html_or_code(path: Path) -> None:
    source = path.read_text("utf-8")
    assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|eval\(|new Function|DOMParser", source)
    assert not re.search(r"[\"']style[\"'],", source)


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < BUDGET_BYTES
    assert not any(path.is_symlink() for path in FOLDER.iterdir())
