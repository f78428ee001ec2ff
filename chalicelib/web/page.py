"""The live page at /api/ui: the JavaScript modules and style sheets of the folder `ui`, without a build step."""

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
# The page does not preload these: a worker loads them, or a tag of their own.
_LATER = ("theme.js", "layout.worker.js", "fold.js", "d3-dag.min.js")

# It allows no inline script or style. Browsers that know trusted types let no string become HTML or code either.
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
# A worker has the policy of its own file.
ASSET_HEADERS = {"Content-Security-Policy": _POLICY}


def page(*, trailing_slash: bool, auth: ApiAuth) -> str:
    """The page. Its links are relative, so they depend on whether its own address ends with a slash."""
    base = f"{'' if trailing_slash else 'ui/'}{release()}"
    ahead = [name for name in _files() if name.endswith(".js") and name not in _LATER]
    links = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in ahead)
    return Template((_FOLDER / "index.html").read_text("utf-8")).substitute(base=base, auth=auth, ahead=links)


def asset(named: str, name: str) -> Asset:
    """A file of the page by its name. Only known names reach the file system.

    `named` is the release in its address. Browsers cache a file of this release for good; an address with another
    release gets the file of this one, uncached.
    """
    if name not in _files():
        raise NotFound(f"there is no file `{name}` here")
    found = _files()[name]
    return found if named == release() else replace(found, cache_control="no-cache")


@functools.cache
def release() -> str:
    """A digest of all files, by which a browser never mixes modules of two releases."""
    etags = [f"{name} {file.etag}" for name, file in _files().items()]
    return hashlib.sha256("\n".join(etags).encode()).hexdigest()[:12]


@functools.cache
def _files() -> dict[str, Asset]:
    return {
        path.name: Asset(path.read_text("utf-8"), _TYPES[path.suffix], "public, max-age=31536000, immutable")
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    }
