"""Large results as files below a folder, for local runs."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from chalicelib.errors import ValuesUnavailable


class FolderValues:
    """See values/protocol.py. All processes must see the same folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, value: bytes) -> None:
        path = self._folder / key
        # The file is renamed when it is complete, so that no reader sees a part of it.
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(value)
            unfinished.replace(path)
        except OSError as error:
            raise ValuesUnavailable(f"{path} cannot be written: {error.strerror}") from None

    def get(self, key: str) -> bytes | None:
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValuesUnavailable(f"{self.place(key)} cannot be read: {error.strerror}") from None

    def link(self, key: str) -> str | None:
        return None

    def forget(self, prefix: str) -> None:
        try:
            shutil.rmtree(self._folder / prefix)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise ValuesUnavailable(f"{self.place(prefix)} cannot be deleted: {error.strerror}") from None

    def place(self, key: str) -> str:
        return str(self._folder / key)
