"""Where large results go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from chalicelib.values.offload import Offload

if TYPE_CHECKING:
    from chalicelib.composition.root import Application
    from chalicelib.values.protocol import Values


def make(app: Application) -> Offload:
    settings = app.settings
    return Offload(_values(app), over=settings.large_result_bytes if settings.values_url else settings.result_limit)


def _values(app: Application) -> Values:
    url = urlsplit(app.settings.values_url)
    if url.scheme == "s3":
        from chalicelib.values.s3 import S3Values

        prefix = url.path.strip("/")
        return S3Values(app.clients.later("s3"), url.netloc, f"{prefix}/" if prefix else "")
    if url.scheme == "file":
        from chalicelib.values.folder import FolderValues

        return FolderValues(Path(unquote(url.path)))
    from chalicelib.values.nowhere import NoValues

    return NoValues()
