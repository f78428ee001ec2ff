"""Swagger UI without the internet: its files come from the installed aws_lambda_powertools, which has version 5."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from chalicelib.errors import NotFound
from chalicelib.web.assets import Asset

# The folder is relative to the package. The package is located, never imported: that would slow every cold start.
_PACKAGE = "aws_lambda_powertools"
_FOLDER = "event_handler/openapi/swagger_ui"

_BUNDLE = "swagger-ui-bundle.min.js"
_STYLE = "swagger-ui.min.css"
_INIT = "init.js"

CONTENT_TYPES = {
    _BUNDLE: "text/javascript; charset=utf-8",
    _STYLE: "text/css; charset=utf-8",
    _INIT: "text/javascript; charset=utf-8",
}

# It is a file, so that the policy needs no 'unsafe-inline'. It takes the address of the document from its own, which is
# right under an API Gateway stage (/dev/api/docs) and behind any proxy.
_INIT_SCRIPT = """\
"use strict";
const here = document.currentScript.src;
window.addEventListener("DOMContentLoaded", () => {
  window.ui = SwaggerUIBundle({
    url: new URL("../openapi.json", here).href,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    validatorUrl: null,
  });
});
"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dag-service: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}docs/{style}">
</head>
<body>
<noscript>This page needs JavaScript. The document itself is <a href="{base}openapi.json">openapi.json</a>.</noscript>
<div id="swagger-ui"></div>
<script src="{base}docs/{bundle}"></script>
<script src="{base}docs/{init}"></script>
</body>
</html>
"""

PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    # Swagger UI sets style attributes; its icons are data URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def page(*, trailing_slash: bool) -> str:
    """The page. Its links are relative, so they depend on whether its own address ends with a slash."""
    return _PAGE.format(base="../" if trailing_slash else "", style=_STYLE, bundle=_BUNDLE, init=_INIT)


@functools.cache
def _asset(name: str) -> Asset:
    text = _INIT_SCRIPT if name == _INIT else (_folder() / name).read_text("utf-8")
    return Asset(text, CONTENT_TYPES[name])


def asset(name: str) -> Asset:
    """A file of the page by its name. Only known names reach the file system."""
    if name not in CONTENT_TYPES:
        raise NotFound(f"there is no file `{name}` here")
    return _asset(name)


def _folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NotFound(f"the package {_PACKAGE}, which carries Swagger UI, is not installed")
    return Path(spec.submodule_search_locations[0], _FOLDER)
