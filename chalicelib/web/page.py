"""The live page at /api/ui: JavaScript modules and a style sheet as they lie in the folder `ui`, with no build step."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from string import Template

from chalicelib.errors import NotFound
from chalicelib.web.access import ApiAuth
from chalicelib.web.assets import Asset

_FOLDER = Path(__file__).with_name("ui")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
# Loaded by a worker, or by a tag of its own: the page does not fetch these ahead.
_LATER = ("theme.js", "layout.worker.js", "fold.js", "d3-dag.min.js")

# No inline script or style, and no string ever becomes HTML or code: browsers that know trusted types refuse it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types layout"
)
PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# A worker obeys the policy of its own file.
ASSET_HEADERS = {"Content-Security-Policy": _POLICY}


def page(*, trailing_slash: bool, auth: ApiAuth) -> str:
    """The page. Its addresses are relative to it, hence the question how its own ends."""
    base = f"{'' if trailing_slash else 'ui/'}{release()}"
    ahead = [name for name in _files() if name.endswith(".js") and name not in _LATER]
    links = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in ahead)
    return Template((_FOLDER / "index.html").read_text("utf-8")).substitute(base=base, auth=auth, ahead=links)


def asset(named: str, name: str) -> Asset:
    """A file of the page by its name; no other name reaches the file system.

    Its address has the release in it, so browsers keep it for good; with another one it is what this release has.
    """
    if name not in _files():
        raise NotFound(f"there is no file `{name}` here")
    found = _files()[name]
    return found if named == release() else replace(found, cache_control="no-cache")


@functools.cache
def release() -> str:
    """A digest of all files: modules of two releases never mix in a browser."""
    etags = [f"{name} {file.etag}" for name, file in _files().items()]
    return hashlib.sha256("\n".join(etags).encode()).hexdigest()[:12]


@functools.cache
def _files() -> dict[str, Asset]:
    return {
        path.name: Asset(path.read_text("utf-8"), _TYPES[path.suffix], "public, max-age=31536000, immutable")
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    }
