"""The entry of a process of a local run: it makes what it needs at once, so that a bad setting ends it with a line.

Otherwise each request, sweep or message would fail on that setting, with a traceback each.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from chalicelib.errors import BadSettings

REFUSED = 2


def prepared(*parts: str) -> tuple[Any, Any]:
    """The module `app` and the application, with these of its parts made. Ends the process if that fails."""
    try:
        app = importlib.import_module("app")
        application = importlib.import_module("chalicelib.composition").application()
        for part in parts:
            getattr(application, part)
    except BadSettings as error:
        print("\n".join(error.faults), file=sys.stderr, flush=True)
        sys.exit(REFUSED)
    return app, application
