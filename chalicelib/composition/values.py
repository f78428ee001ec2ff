"""Makes the offload of large results; the scheme of VALUES_URL decides where they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from chalicelib.values.offload import Offload

if TYPE_CHECKING:
    from chalicelib.composition.clients import Clients
    from chalicelib.settings import Settings
    from chalicelib.values.protocol import Values


def make(settings: Settings, clients: Clients) -> Offload:
    over = settings.large_result_bytes if settings.values_url else settings.result_limit
    return Offload(_values(settings, clients), over=over)


def _values(settings: Settings, clients: Clients) -> Values:
    url = urlsplit(settings.values_url)
    if url.scheme == "s3":
        from chalicelib.values.s3 import S3Values

        prefix = url.path.strip("/")
        return S3Values(clients.later("s3"), url.netloc, f"{prefix}/" if prefix else "")
    if url.scheme == "file":
        from chalicelib.values.folder import FolderValues

        return FolderValues(Path(unquote(url.path)))
    from chalicelib.values.nowhere import NoValues

    return NoValues()
