"""How a process of a local run begins: it makes what it needs at once, so that a bad setting is one line and its end.

Otherwise each request, sweep or message would meet it again, with a traceback each.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from chalicelib.errors import BadSettings

REFUSED = 2


def prepared(*parts: str) -> tuple[Any, Any]:
    """The module `app` and the application, with these of its parts made. Ends the process where they cannot be."""
    try:
        app = importlib.import_module("app")
        application = importlib.import_module("chalicelib.composition").application()
        for part in parts:
            getattr(application, part)
    except BadSettings as error:
        print("\n".join(error.faults), file=sys.stderr, flush=True)
        sys.exit(REFUSED)
    return app, application
