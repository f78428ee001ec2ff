"""LocalStack's SQS as a child process in host mode: without Docker, an account or the internet."""

from __future__ import annotations

import json
import os
from pathlib import Path

from local import health
from local.processes import ROOT, Missing

DEFAULT_PORT = 4566
VENV = ROOT / ".venv-localstack"
GATEWAY = Path(__file__).with_name("gateway.py")


def find_python() -> str:
    """The interpreter of LocalStack's virtual environment. Raises Missing."""
    python = VENV / "bin" / "python"
    marker = list(VENV.glob("lib/python*/site-packages/localstack/runtime/main.py"))
    if not python.exists() or not marker:
        raise Missing(
            f"LocalStack is not installed in {VENV.name}: run `make install`, "
            "or set AWS_ENDPOINT_URL to one that runs already"
        )
    return str(python)


def command(*, python: str | None = None, module: str = "localstack.runtime.main") -> list[str]:
    """The command line; the port comes with `environment`. Raises Missing."""
    return [python or find_python(), str(GATEWAY), module]


def environment(port: int, directory: Path) -> dict[str, str]:
    """The environment of a LocalStack that serves SQS on a loopback port and keeps its files in `directory`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    return inherited | {
        "SERVICES": "sqs",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "EAGER_SERVICE_LOADING": "1",
        "DNS_ADDRESS": "0",
        # LocalStack creates a folder there when it is imported, and HOME may be missing or not writable.
        "XDG_CACHE_HOME": str(directory / "cache"),
        "LOCALSTACK_VOLUME_DIR": str(directory / "volume"),
        "FILESYSTEM_ROOT": str(directory / "root"),
    }


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def is_ready(port: int) -> bool:
    """Whether LocalStack's SQS can be used."""
    answer = health.ask("127.0.0.1", port, "/_localstack/health", seconds=2)
    if answer is None or answer[0] != 200:
        return False
    try:
        return json.loads(answer[1]).get("services", {}).get("sqs") in ("available", "running")
    except ValueError:
        return False
